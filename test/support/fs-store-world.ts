/** A folder for file-system stores under test: opened, closed and damaged at will, removed after the test. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { Digest } from '../../core/src/content/digest.ts'
import { createNodeFiles, type OpenFile, type StoreFiles } from '../../core/src/store/fs/files.ts'
import { createFsLayout, type FsLayout } from '../../core/src/store/fs/layout.ts'
import { createFsStore } from '../../core/src/store/fs/fs-store.ts'
import type { Store } from '../../core/src/store/store.ts'
import { CHUNK_SIZE, type Blob } from './blobs.ts'
import { createCollectingLogger } from './collecting-logger.ts'
import { createFakeClock, type FakeClock } from './fake-clock.ts'

export interface FsWorld {
  readonly path: string
  readonly layout: FsLayout
  readonly clock: FakeClock
  readonly log: ReturnType<typeof createCollectingLogger>
  readonly files: FaultyFiles
  /** A started store without a memory cache. `ownThread`: it reads by its thread, which `files` does not see. */
  open(options?: { quotaBytes?: number; ownThread?: boolean }): Promise<Store>
}

export async function createFsWorld(): Promise<FsWorld> {
  const path = await mkdtemp(join(tmpdir(), 'catalog-store-'))
  const [clock, log, files] = [createFakeClock(), createCollectingLogger(), createFaultyFiles()]
  const stores: Store[] = []
  onTestFinished(async () => {
    files.heal()
    for (const store of stores) await store.stop()
    await rm(path, { recursive: true })
  })
  return {
    ...{ path, clock, log, files, layout: createFsLayout(path) },
    async open({ quotaBytes = 1e9, ownThread = false } = {}) {
      const memory = { memoryBytes: 0 }
      const options = { path, quotaBytes, chunkSize: CHUNK_SIZE, ...memory }
      const deps = ownThread ? { clock, log } : { clock, log, files }
      const store = createFsStore(deps, options)
      stores.push(store)
      await store.start()
      return store
    },
  }
}

export async function putAll(
  store: Store,
  blobs: readonly Blob[],
  visibility: 'public' | 'private' = 'public',
): Promise<void> {
  for (const { digest, bytes } of blobs) await store.put(digest, bytes, { visibility })
}

export function digestsOf(store: Store): Digest[] {
  return Array.from(store.entries(), ({ digest }) => digest)
}

/** Digests of files that were not believed as they were. */
export function hashedAgain(world: FsWorld): unknown[] {
  return world.log.lines
    .filter(({ event }) => event === 'store.hashed-again')
    .map(({ facts }) => facts['digest'])
}

export type FileOperation = Exclude<keyof StoreFiles, 'now'> | 'write'

export interface FaultyFiles extends StoreFiles {
  /** These fail from now on, with Node's error of this code. */
  fail(operations: readonly FileOperation[], code: string): void
  heal(): void
  /** These wait from now on, until the function returned is called. */
  hold(operations: readonly FileOperation[]): () => void
  /** `operation path` of each since the last time. */
  take(): string[]
}

/** Node's, with faults on demand. */
export function createFaultyFiles(): FaultyFiles {
  const real = createNodeFiles()
  let failing: readonly FileOperation[] = []
  let failureCode = ''
  let held: readonly FileOperation[] = []
  let gate = Promise.withResolvers<void>()
  let done: string[] = []

  async function run<T>(
    name: FileOperation,
    path: string,
    operation: () => Promise<T>,
  ): Promise<T> {
    if (held.includes(name)) await gate.promise
    return await runNow(name, path, operation)
  }

  function runNow<T>(name: FileOperation, path: string, operation: () => T): T {
    done.push(`${name} ${path}`)
    if (!failing.includes(name)) return operation()
    throw Object.assign(new Error(`${failureCode}: ${name} '${path}'`), { code: failureCode })
  }

  async function open(path: string, mode: 'read' | 'write' | 'create'): Promise<OpenFile> {
    const file = await run('open', path, () => real.open(path, mode))
    return {
      read: file.read.bind(file),
      stat: file.stat.bind(file),
      close: file.close.bind(file),
      write: ((...rest: Parameters<OpenFile['write']>) =>
        run('write', path, () => file.write(...rest))) as OpenFile['write'],
    }
  }

  const { now } = real
  const faultyNow = now && {
    create: (path: string, bytes: Uint8Array) =>
      runNow('create', path, () => now.create(path, bytes)),
    rename: (from: string, to: string) => runNow('rename', to, () => now.rename(from, to)),
    mark: (path: string) => runNow('mark', path, () => now.mark(path)),
  }

  return {
    /** What is held waits, as nothing does that is done at once. */
    get now() {
      return held.length > 0 ? undefined : faultyNow
    },
    open,
    list: (path) => run('list', path, () => real.list(path)),
    makeFolder: (path) => run('makeFolder', path, () => real.makeFolder(path)),
    create: (path, bytes) => run('create', path, () => real.create(path, bytes)),
    rename: (from, to) => run('rename', to, () => real.rename(from, to)),
    remove: (path) => run('remove', path, () => real.remove(path)),
    sync: (path) => run('sync', path, () => real.sync(path)),
    syncFolder: (path) => run('syncFolder', path, () => real.syncFolder(path)),
    mark: (path) => run('mark', path, () => real.mark(path)),
    fail(operations, code) {
      failing = operations
      failureCode = code
    },
    heal() {
      failing = []
    },
    hold(operations) {
      held = operations
      gate = Promise.withResolvers()
      return () => {
        held = []
        gate.resolve()
      }
    },
    take() {
      const taken = done
      done = []
      return taken
    },
  }
}
