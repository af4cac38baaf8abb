/**
 * Records for artifacts that came by their hash alone, as npm asks for them: a machine that only ever ran `npm ci` has seen no
 * metadata, so peers that ask by name would get nothing from it. Fetches the versions' own documents, a few KB each, when clients have
 * been quiet for a moment; while it has no peer, for longer, as an install goes on for a while after its last tarball. Only from public registries whose keys are known, as a stranger: never with credentials, never of a
 * name that is not known to be public, never on a request's path.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { LRUCache } from 'lru-cache'
import {
  isCatalogError,
  type CatalogNode,
  type Digest,
  type Logger,
  type PackageVersion,
} from '@catalog-p2p/core'
import type { TrustedKeys } from '../../keys/trusted-keys.ts'
import type { Registries } from '../../upstream/registries.ts'
import { recordsOf } from './signed-records.ts'
import {
  requestVersionDocument,
  type VersionDocumentSource,
} from '../versions/version-document-request.ts'

export interface MissingRecordsDependencies {
  readonly node: Pick<CatalogNode, 'findRecord' | 'addRecord' | 'has'> & {
    peers(): { readonly length: number }
  }
  readonly registries: Pick<Registries, 'forName' | 'credentialsAt'>
  readonly upstream: VersionDocumentSource['upstream']
  readonly trustedKeys: TrustedKeys
  readonly isKnownPublic: (name: string) => boolean
  readonly log: Logger
}

/** Versions that the registry has answered of: not asked again for a while, whatever it has said. */
const ANSWERED = { maxSize: 20_000, sizeCalculation: () => 1, ttl: 600_000 }
/** Versions that wait; the oldest give way. About 300 bytes each. */
const MAX_WAITING = 20_000
/** Requests at once. */
const CONCURRENCY = 4
/** For so long no artifact has come without a record, where there are peers that may ask. */
const QUIET_MS = 1_000
/** The same while there are none: nobody waits for it, the client still works, and what was started for one command ends before. */
const ALONE_QUIET_MS = 30_000
/** After the registry could not be reached. */
const RETRY_MS = 30_000

/** Milliseconds of a clock that only goes forward. */
interface Time {
  now(): number
  sleep(ms: number, signal: AbortSignal): Promise<void>
}

const SYSTEM_TIME: Time = {
  now: () => performance.now(),
  sleep: (ms, signal) => sleep(ms, undefined, { signal, ref: false }),
}

interface Waiting {
  readonly version: PackageVersion
  readonly digest: Digest
}

export class MissingRecords {
  readonly #deps: MissingRecordsDependencies
  readonly #time: Time
  readonly #waiting = new Map<string, Waiting>()
  readonly #answered = new LRUCache<string, Digest>(ANSWERED)
  readonly #closing = new AbortController()
  #notedAtMs = 0
  #isRunning = false

  constructor(deps: MissingRecordsDependencies, time: Time = SYSTEM_TIME) {
    this.#deps = deps
    this.#time = time
  }

  /** These are the version's bytes, by the registry's word, and nothing that it has signed is at hand. */
  note(version: PackageVersion, digest: Digest): void {
    if (this.#closing.signal.aborted) return
    const key = keyOf(version)
    if (this.#answered.get(key) === digest) return
    this.#notedAtMs = this.#time.now()
    this.#waiting.delete(key)
    this.#waiting.set(key, { version, digest })
    const [oldest] = this.#waiting.keys()
    if (this.#waiting.size > MAX_WAITING && oldest !== undefined) this.#waiting.delete(oldest)
    if (this.#isRunning) return
    this.#isRunning = true
    this.#run()
      .catch((error: unknown) => this.#deps.log.debug('records.not-fetched', { error }))
      .finally(() => (this.#isRunning = false))
  }

  close(): void {
    this.#closing.abort(new Error('the gateway is stopping'))
    this.#waiting.clear()
  }

  async #run(): Promise<void> {
    while (this.#waiting.size > 0) {
      const leftMs = this.#notedAtMs + this.#quietMs() - this.#time.now()
      if (leftMs > 0) {
        await this.#pause(Math.min(leftMs, QUIET_MS)) // a peer may come
        continue
      }
      const batch = [...this.#waiting].slice(0, CONCURRENCY)
      for (const [key] of batch) this.#waiting.delete(key)
      const outcomes = await Promise.all(batch.map(([, each]) => this.#fetch(each)))
      if (!outcomes.includes('unreachable')) continue
      batch.forEach(([key, each], index) => {
        if (outcomes[index] === 'unreachable') this.#waiting.set(key, each)
      })
      await this.#pause(RETRY_MS)
    }
  }

  async #fetch({ version, digest }: Waiting): Promise<'done' | 'unreachable'> {
    const { node, registries, upstream, trustedKeys, isKnownPublic, log } = this.#deps
    const { name } = version
    const registry = registries.forName(name)
    if (registry?.url !== version.registry || !registry.isPublic || !isKnownPublic(name)) {
      return 'done'
    }
    if (node.findRecord(version)?.digest === digest || !node.has(digest)) return 'done'
    if ((await trustedKeys(registry.url)) === undefined) return 'done'
    const { signal } = this.#closing
    const viewer = { credentials: undefined, owners: [''] }
    const question = { registry, name, version: version.version, viewer, isStranger: true, signal }
    try {
      const answer = await requestVersionDocument({ upstream, registries }, question)
      this.#answered.set(keyOf(version), digest)
      if (typeof answer !== 'object') return 'done'
      for (const record of recordsOf(version, answer.facts)) {
        if (record.digest === digest && (await node.addRecord(record)) === 'valid') break
      }
      return 'done'
    } catch (error) {
      signal.throwIfAborted()
      log.debug('records.not-fetched', { name, version: version.version, error })
      return isCatalogError(error, 'UPSTREAM_UNREACHABLE') ? 'unreachable' : 'done'
    }
  }

  #quietMs(): number {
    return this.#deps.node.peers().length > 0 ? QUIET_MS : ALONE_QUIET_MS
  }

  async #pause(ms: number): Promise<void> {
    await this.#time.sleep(ms, this.#closing.signal)
  }
}

function keyOf({ registry, name, version }: PackageVersion): string {
  return `${registry} ${name} ${version}`
}
