/**
 * Keeps the node a copy of what Verdaccio stores: seeds what has just been stored, one file at a time in the background, and
 * withdraws what is removed. Never delays Verdaccio for a file that is stored.
 */
import type { Seeding } from './intercept.ts'
import {
  seedTarball,
  type SeedDependencies,
  type SeedResult,
  type StoredFile,
} from './seed-tarball.ts'
import type { UnpublishSync } from './unpublish-sync.ts'

export interface SeederDependencies extends SeedDependencies {
  readonly unpublishSync: UnpublishSync
}

export interface Seeder extends Seeding {
  seed(name: string, filename: string, options: { signal: AbortSignal }): Promise<SeedResult>
  stop(): void
}

/** Of the queue; what does not fit is found at the next start. */
const MAX_QUEUED = 10_000

export function createSeeder(deps: SeederDependencies): Seeder {
  const { unpublishSync, log } = deps
  const stopping = new AbortController()
  const { signal } = stopping
  const queue: StoredFile[] = []
  let isWorking = false

  async function work(): Promise<void> {
    const running = await deps.node
    while (running !== undefined && !signal.aborted) {
      const file = queue.shift()
      if (file === undefined) break
      try {
        await seedTarball(deps, file, { signal })
      } catch (error) {
        const { name, filename } = file
        if (!signal.aborted) log.warn('seeding.failed', { package: name, file: filename, error })
      }
    }
    queue.length = 0
    isWorking = false
  }

  return {
    seed: (name, filename, options) => seedTarball(deps, { name, filename }, options),
    removing: (name, filenames) => unpublishSync.removing(name, filenames),
    stored(name, filename) {
      if (signal.aborted || queue.length >= MAX_QUEUED) return
      queue.push({ name, filename })
      if (isWorking) return
      isWorking = true
      void work() // errors are logged per file
    },
    stop: () => stopping.abort(new Error('Verdaccio is shutting down')),
  }
}
