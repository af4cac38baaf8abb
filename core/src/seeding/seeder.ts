/**
 * Announces what the store holds, and the names whose records it can give with it: events of the store and of the records become
 * announcements. This is the one place that decides which complete artifacts are announced, and it never announces a private
 * one, nor its names. docs/threat-model.md
 */
import type { Digest } from '../content/digest.ts'
import type { Discovery } from '../discovery/discovery.ts'
import type { Logger } from '../log.ts'
import type { Records } from '../records/records.ts'
import type { Store, StoreEntry } from '../store/store.ts'

/** Announcing is quick, 100,000 times is not: other work runs between two batches. */
const BATCH = 2000

export interface Seeder {
  /** Announces what the store holds already; the store and discovery have been started. */
  start(): Promise<void>
  stop(): Promise<void>
}

export function createSeeder(
  deps: {
    readonly store: Store
    readonly records: Records
    readonly discovery: Discovery
    readonly log: Logger
  },
  options: { readonly seed: boolean },
): Seeder {
  const { store, records, discovery, log } = deps
  let stopListening: (() => void) | undefined

  function tell({ digest, visibility }: StoreEntry): void {
    // It may have been public until now.
    if (visibility !== 'public') return withdraw(digest)
    discovery.announce(digest)
    for (const key of records.keysOf(digest)) discovery.announceName(key)
  }

  function withdraw(digest: Digest): void {
    discovery.withdraw(digest)
    for (const key of records.keysOf(digest)) discovery.withdrawName(key)
  }

  async function announceAll(): Promise<void> {
    const digests: Digest[] = []
    for (const entry of store.entries()) digests.push(entry.digest)
    for (let from = 0; from < digests.length; from += BATCH) {
      if (stopListening === undefined) return
      for (const digest of digests.slice(from, from + BATCH)) {
        // Asked again: it may have been evicted since.
        const entry = store.entry(digest)
        if (entry !== undefined) tell(entry)
      }
      await new Promise(setImmediate)
    }
    log.info('seeding.started', { artifacts: digests.length })
  }

  return {
    async start() {
      if (!options.seed || stopListening !== undefined) return
      const unsubscribes = [
        store.onEvent((event) => {
          if (event.type === 'added') tell(event.entry)
          else withdraw(event.digest)
        }),
        records.onAdded((key, { digest }) => {
          if (store.entry(digest)?.visibility === 'public') discovery.announceName(key)
        }),
      ]
      stopListening = () => unsubscribes.forEach((unsubscribe) => unsubscribe())
      await announceAll()
    },
    async stop() {
      stopListening?.()
      stopListening = undefined
    },
  }
}
