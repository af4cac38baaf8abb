/** A package's bytes as the answer to a client's request, with all that is counted and told of it; for whoever has found the artifact. */
import type { Artifact, ArtifactSource } from '@catalog-p2p/core'
import { noteFirstBytes, type Visit } from '../../activity/visit.ts'
import type { Ledger, ServedAs } from '../../guard/ledger.ts'
import type { Counters } from '../../http/counters.ts'
import type { Exchange } from '../../http/exchange.ts'
import type { Visibility } from '../../packuments/cache/cached-document.ts'
import { agentOf, sendImmutable } from './send-immutable.ts'

/** Where private artifacts leave no trace on disk they have a ledger of their own. */
export type LedgerOf = (visibility: Visibility) => Pick<Ledger, 'note'>

export interface SentPackage extends ServedAs {
  readonly artifact: Artifact
  readonly name: string
  /** Or the file's name. */
  readonly version: string
  /** Of the bytes: who on the way may keep them. */
  readonly visibility: Visibility
  /** Of the name, where it is not as the bytes are: who may see it here. */
  readonly named?: Visibility
  /** Where from, where it was fetched ahead of the client. */
  readonly ahead?: ArtifactSource | undefined
}

/** Rejects as `sendImmutable` does. */
export async function sendNoted(
  deps: {
    readonly counters: Counters
    readonly ledger: LedgerOf
  },
  { req, res }: Pick<Exchange, 'req' | 'res'>,
  { sent, visit }: { readonly sent: SentPackage; readonly visit: Visit },
): Promise<void> {
  const { counters, ledger } = deps
  const { artifact, name, version, visibility, named = visibility, isUnjudged } = sent
  noteFirstBytes(visit, named === 'public')
  visit.course = artifact.course
  const bytes = await sendImmutable(req, res, { artifact, visibility })
  if (bytes === 'unchanged') {
    visit.outcome = bytes
    return
  }
  if (req.method !== 'HEAD') {
    const served = { name, version, digest: artifact.digest, client: agentOf(req) }
    ledger(named).note(served, { isUnjudged })
  }
  const source = sent.ahead ?? artifact.source
  counters.tarball(source, bytes)
  visit.source = source
  visit.isAhead = source !== artifact.source
  visit.bytes = bytes
}
