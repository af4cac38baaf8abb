/**
 * Makes the node hold what Verdaccio stores, so that peers get it: what has just been stored and did not come through the node,
 * and, on request, what lay there before. Decides by privacy.ts alone; one file at a time, in the background; what Verdaccio
 * removes is taken back.
 */
import type { CatalogNode, Digest, Logger } from '@catalog-p2p/core'
import type { Counters } from './counters.ts'
import { digestTextOf } from './integrity.ts'
import type { Seeding } from './intercept.ts'
import { tarballRecord } from './manifest.ts'
import type { RunningNode } from './node-source.ts'
import type { Privacy } from './privacy.ts'
import type { StoredTarballs } from './stored-tarball.ts'
import { withSize } from './spool.ts'
import type { LocalStorage } from './verdaccio.ts'
import type { UnpublishSync } from './unpublish-sync.ts'

export interface SeederDependencies {
  readonly localStorage: Pick<LocalStorage, 'getPackageMetadataAsync'>
  readonly files: StoredTarballs
  readonly privacy: Privacy
  readonly unpublishSync: UnpublishSync
  readonly counters: Counters
  readonly log: Logger
  /** Settles when the node runs, or with undefined when it never will. */
  readonly node: Promise<RunningNode | undefined>
}

/** `present`: the node had it. `left`: not for peers, or nothing to know it by. */
export type SeedResult = 'seeded' | 'present' | 'left' | 'damaged'

export interface Seeder extends Seeding {
  seed(name: string, filename: string, options: { signal: AbortSignal }): Promise<SeedResult>
  stop(): void
}

/** Files that wait; what is dropped here is found at the next start. */
const MAX_WAITING = 10_000

export function createSeeder(deps: SeederDependencies): Seeder {
  const { localStorage, files, privacy, unpublishSync, counters, log } = deps
  const stopping = new AbortController()
  const { signal } = stopping
  const waiting: { name: string; filename: string }[] = []
  let isWorking = false

  async function work(): Promise<void> {
    const running = await deps.node
    while (running !== undefined && !signal.aborted) {
      const next = waiting.shift()
      if (next === undefined) break
      const { name, filename } = next
      try {
        await seed(name, filename, { signal })
      } catch (error) {
        if (!signal.aborted) log.warn('seeding.failed', { package: name, file: filename, error })
      }
    }
    waiting.length = 0
    isWorking = false
  }

  async function digestOf(
    file: { name: string; filename: string },
    manifest: unknown,
    running: RunningNode,
  ): Promise<Digest | undefined> {
    const { expected } = tarballRecord(manifest, file.name, file.filename)
    const named = expected && digestTextOf(expected)
    const text = named ?? (await files.digest({ ...file, expected }, { signal }))
    return text === undefined ? undefined : running.toDigest(text)
  }

  async function seed(
    name: string,
    filename: string,
    options: { signal: AbortSignal },
  ): Promise<SeedResult> {
    const running = await deps.node
    if (running === undefined) return 'left'
    const admit = unpublishSync.begin()
    const manifest = await localStorage.getPackageMetadataAsync(name)
    const record = tarballRecord(manifest, name, filename)
    if (!privacy.isPublic(name, record)) return 'left'
    if (record.isRecorded && record.expected === undefined) return 'left'
    const digest = await digestOf({ name, filename }, manifest, running)
    if (digest !== undefined && !admit({ name, filename }, digest)) return 'left'
    if (digest !== undefined && running.node.has(digest)) return 'present'
    if (digest === undefined || !(await take(running, digest, { name, filename, ...options }))) {
      const next = 'remove the file from the storage; Verdaccio then fetches it anew'
      log.warn('seeding.damaged', { package: record.label, file: filename, next })
      return 'damaged'
    }
    counters.seeded += 1
    log.debug('seeding.done', { package: record.label, digest })
    return 'seeded'
  }

  /** False when the file's bytes are not those of the digest. */
  async function take(
    { node, isMismatch }: RunningNode,
    digest: Digest,
    file: { name: string; filename: string; signal: AbortSignal },
  ): Promise<boolean> {
    const origin = {
      visibility: 'public' as const,
      open: async (options: { signal: AbortSignal }) =>
        withSize(await files.open(file.name, file.filename, options), options),
    }
    try {
      const { signal } = file
      await drain(await node.get(digest, { origin, peers: false, signal }))
      return true
    } catch (error) {
      if (isMismatch(error)) return false
      throw error
    }
  }

  return {
    seed,
    removing: (name, filenames) => unpublishSync.removing(name, filenames),
    stored(name, filename) {
      if (signal.aborted || waiting.length >= MAX_WAITING) return
      waiting.push({ name, filename })
      if (isWorking) return
      isWorking = true
      void work() // catches what goes wrong with a file
    },
    stop: () => stopping.abort(new Error('Verdaccio is shutting down')),
  }
}

async function drain(artifact: Awaited<ReturnType<CatalogNode['get']>>): Promise<void> {
  if (artifact.bytes !== undefined) return
  const iterator = artifact.body[Symbol.asyncIterator]()
  while ((await iterator.next()).done !== true);
}
