/**
 * A witness's own word: what the registry behind it says of a package, signed. Asks the registry anew when what is at hand is older
 * than metadata may be here, so that its word stays young. Says nothing of packages that it has not seen at its registry, nor of
 * private ones, and repeats nobody else's word: that a version is gone it has seen itself, or in its own list of malware.
 */
import { setTimeout } from 'node:timers/promises'
import { LRUCache } from 'lru-cache'
import PQueue from 'p-queue'
import { keyIdOf, type HybridKey, type KeyId, type Logger } from '@catalog-p2p/core'
import type { Guard } from '../../guard/guard.ts'
import type { CachedDocument } from '../cache/cached-document.ts'
import type { PackumentCache } from '../cache/packument-cache.ts'
import type { PackumentJobs } from '../worker/packument-jobs.ts'
import type { VersionJudgements } from '../version-judgements.ts'
import { signWitness, type SignedList, type WitnessedPackage } from './witness-statement.ts'

export interface Countersigner {
  readonly witness: KeyId
  /** undefined: the registry has said nothing of it, or too much. */
  sign(of: WitnessedPackage, options: { signal: AbortSignal }): Promise<SignedList | undefined>
}

export interface CountersignerDependencies {
  readonly key: HybridKey
  readonly cache: PackumentCache
  readonly jobs: PackumentJobs
  readonly guard: Guard
  readonly judgements: VersionJudgements
  /** Asks the registry if it is time to. */
  readonly renew: (name: string, signal: AbortSignal) => Promise<void>
  readonly log: Logger
}

/** For the registry, within the time that whoever asks will wait. */
const RENEW_MS = 1_500
const MAX_WAITING = 256
const MAX_KEPT_BYTES = 16 * 1024 * 1024

export function createCountersigner(
  deps: CountersignerDependencies,
  { maxBytes }: { readonly maxBytes: number },
): Countersigner {
  const { key, cache, jobs, guard, judgements, renew, log } = deps
  /** One at a time: peers' questions must not keep this machine's clients waiting. */
  const queue = new PQueue({ concurrency: 1 })
  const kept = new LRUCache<string, SignedList>({
    maxSize: MAX_KEPT_BYTES,
    sizeCalculation: ({ statement, list }) => statement.byteLength + list.byteLength,
  })

  function seen(of: WitnessedPackage): CachedDocument | undefined {
    const document = cache.find({ ...of, owner: '' })
    return document?.peerFetchedAtMs === undefined ? document : undefined
  }

  async function make(document: CachedDocument): Promise<SignedList | undefined> {
    const { id, hash, registry, name, confirmedAtMs: seenAtMs } = document
    const gone = await goneOf(document)
    const at = [id, hash, seenAtMs, JSON.stringify(gone)].join('\n')
    const known = kept.get(at)
    if (known !== undefined) return known
    const raw = await cache.bodies.read({ document: id, hash, part: 'raw' })
    if (raw === undefined) return undefined
    const { list } = await jobs.run({
      ...{ body: raw, codings: ['gzip'], maxBytes, registry, name, isPrivate: false },
      ...{ form: undefined, abbreviate: false, ingest: false, witness: { gone } },
    })
    if (list === undefined) return undefined
    const signed = { statement: signWitness({ registry, name, seenAtMs, list }, key), list }
    kept.set(at, signed)
    return signed
  }

  async function goneOf(document: CachedDocument): Promise<Record<string, string>> {
    const { registry, name } = document
    const removed = guard.removedFrom(registry, name)
    if (!guard.isListed(name)) return removed
    const judged = await judgements.of(document)
    const malware = [...(judged?.known ?? []), ...Object.keys(removed)].flatMap((version) => {
      const reason = guard.malwareId(name, version)
      return reason === undefined ? [] : [[version, reason] as const]
    })
    return { ...removed, ...Object.fromEntries(malware) }
  }

  return {
    witness: keyIdOf(key.publicKey),
    async sign(of, { signal }) {
      if (seen(of) === undefined || queue.size >= MAX_WAITING) return undefined
      const renewed = renew(of.name, signal).catch((error: unknown) => {
        log.debug('witness.not-renewed', { name: of.name, error })
      })
      await Promise.race([renewed, setTimeout(RENEW_MS, undefined, { ref: false })])
      const document = seen(of)
      return document && (await queue.add(() => make(document)))
    },
  }
}
