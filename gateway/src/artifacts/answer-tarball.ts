/**
 * GET and HEAD of a tarball. The hot path of an install: no parsing, no copying, nothing asked twice.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { findDigest, type Digest } from '@catalog-p2p/core'
import type { Visit } from '../activity/visit.ts'
import type { Artifacts } from './artifacts.ts'
import { clientCredentials } from '../upstream/client-credentials.ts'
import type { Exchange } from '../http/exchange.ts'
import type { Hints } from '../hints/hints.ts'
import type { Registries } from '../upstream/registries.ts'
import type { TarballRoute } from '../http/route.ts'
import { sendNoted, type LedgerOf } from './sending/send-noted.ts'
import type { Counters } from '../http/counters.ts'

export async function answerTarball(
  deps: {
    artifacts: Artifacts
    registries: Registries
    counters: Counters
    ledger: LedgerOf
    hints: Pick<Hints, 'prefetchedFrom'>
  },
  exchange: Exchange,
  { route, visit }: { readonly route: TarballRoute; readonly visit: Visit },
): Promise<void> {
  const { req, res, signal, giveUp } = exchange
  const { name, version, file } = route
  const integrity = integrityOf(req.headers)
  const client = clientCredentials(deps.registries, exchange, name)
  try {
    const { upstream } = exchange
    const onLocated = (): void => void (visit.locatedMs = performance.now())
    const request = { name, version, file, integrity, client, upstream, signal, onLocated }
    const { artifact, visibility } = await deps.artifacts.get(request)
    // What was fetched a moment ago because of a hint did not come from the store.
    const isOurs = artifact.source === 'store'
    const ahead = isOurs ? deps.hints.prefetchedFrom(artifact.digest) : undefined
    const sent = { artifact, name, version: version ?? file, visibility, ahead, isUnjudged: false }
    await sendNoted(deps, exchange, { sent, visit })
  } finally {
    // Gives up what nobody read (HEAD, 304, a failure); harmless when all was sent.
    if (req.method === 'HEAD' || res.statusCode !== 200 || !res.writableEnded) {
      giveUp()
    }
  }
}

/** One SRI value, which npm sends. Junk counts as absent. */
function integrityOf(headers: IncomingHttpHeaders): Digest | undefined {
  const value = headers['pacote-integrity']
  if (typeof value !== 'string' || value.length > 1024) return undefined
  return findDigest(value)
}
