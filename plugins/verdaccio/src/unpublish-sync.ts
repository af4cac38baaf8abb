/**
 * Takes back from the node what Verdaccio removes, and what is still on its way there: a digest that has been withdrawn leaves
 * the node again whenever it gets there, unless somebody began to fetch it after that. Must never keep Verdaccio from
 * removing a file, nor let it wait without end.
 */
import type { Digest, Logger } from '@catalog-p2p/core'
import type { Counters } from './counters.ts'
import { digestTextOf } from './integrity.ts'
import { isStoredAsNamed, knownFiles, storedFiles, tarballRecord } from './manifest.ts'
import type { RunningNode } from './node-source.ts'
import type { StoredTarballs } from './stored-tarball.ts'
import type { LocalStorage } from './verdaccio.ts'

export interface UnpublishSyncDependencies {
  readonly localStorage: Pick<LocalStorage, 'getPackageMetadataAsync'>
  readonly files: Pick<StoredTarballs, 'digest'>
  readonly counters: Pick<Counters, 'withdrawn'>
  readonly log: Logger
  /** Settles when the node runs, or with undefined when it never will. */
  readonly node: Promise<RunningNode | undefined>
}

interface File {
  readonly name: string
  readonly filename: string
}

/** To be asked before the node takes a file; false when it has been withdrawn since this began. */
export type Admit = (file: File, digest: Digest) => boolean

export interface UnpublishSync {
  /** Before the metadata is read that says what a file is. */
  begin(): Admit
  /** Verdaccio is about to remove these files; call the result when it has. */
  removing(name: string, filenames: readonly string[] | 'all'): Promise<() => void>
}

/** Files and digests that are remembered, the latest of them. */
const MAX_REMEMBERED = 20_000
/** Verdaccio waits for no more than this until its files have been read. */
export const MAX_READING_MS = 10_000

export function createUnpublishSync(
  deps: UnpublishSyncDependencies,
  options: { readonly maxReadingMs: number } = { maxReadingMs: MAX_READING_MS },
): UnpublishSync {
  const { localStorage, files, counters, log } = deps
  /** `name/file`: what the node took, or is taking, for it. */
  const taken = new Map<string, Digest>()
  /** When each was withdrawn, by the count of withdrawals. */
  const withdrawnAt = new Map<Digest, number>()
  let count = 0
  void watch()

  async function watch(): Promise<void> {
    const running = await deps.node
    running?.node.onEvent((event) => {
      if (event.type !== 'artifact-added' || !withdrawnAt.has(event.digest)) return
      // After the store has told everybody that it is there.
      queueMicrotask(() => void remove(running, event.digest))
    })
  }

  async function remove({ node }: RunningNode, digest: Digest): Promise<void> {
    try {
      if (await node.remove(digest)) counters.withdrawn += 1
    } catch (error) {
      log.warn('seeding.withdraw-failed', { digest, error })
    }
  }

  /** By its bytes where nothing else says them: an unpublished version is out of the metadata by now. */
  async function digestText(
    file: File,
    manifest: unknown,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const { expected } = tarballRecord(manifest, file.name, file.filename)
    const named = expected && digestTextOf(expected)
    if (named !== undefined && isStoredAsNamed(manifest, file.name, file.filename)) return named
    if (!storedFiles(manifest).includes(file.filename)) return named
    const read = files.digest({ ...file, expected: undefined }, { signal })
    return await read.catch(() => undefined) // no such file, or no time left: said by the caller
  }

  async function textsOf(
    name: string,
    wanted: readonly string[] | 'all',
  ): Promise<readonly string[]> {
    const manifest = await localStorage.getPackageMetadataAsync(name)
    const signal = AbortSignal.timeout(options.maxReadingMs)
    const texts: string[] = []
    for (const filename of wanted === 'all' ? knownFiles(manifest) : wanted) {
      const text = await digestText({ name, filename }, manifest, signal)
      if (text !== undefined) texts.push(text)
    }
    if (signal.aborted) {
      const next =
        'its files could not be read in time: peers may get some of it until it is evicted'
      log.warn('storage.not-withdrawn', { package: name, next })
    }
    return texts
  }

  function takenFor(name: string, wanted: readonly string[] | 'all'): Digest[] {
    if (wanted !== 'all') return wanted.flatMap((file) => taken.get(`${name}/${file}`) ?? [])
    return [...taken].filter(([key]) => key.startsWith(`${name}/`)).map(([, digest]) => digest)
  }

  async function withdraw(digests: readonly Digest[], texts: readonly string[]): Promise<void> {
    const running = await deps.node
    if (running === undefined) return
    const all = new Set([...digests, ...texts.flatMap((text) => running.toDigest(text) ?? [])])
    count += 1
    for (const digest of all) remember(withdrawnAt, digest, count)
    for (const digest of all) await remove(running, digest)
  }

  return {
    begin() {
      const begunAt = count
      return ({ name, filename }, digest) => {
        if ((withdrawnAt.get(digest) ?? 0) > begunAt) return false
        withdrawnAt.delete(digest)
        remember(taken, `${name}/${filename}`, digest)
        return true
      }
    },
    async removing(name, wanted) {
      const texts = await textsOf(name, wanted)
      // Those of now: a download may have begun while the files were read.
      return () => void withdraw(takenFor(name, wanted), texts)
    },
  }
}

function remember<K, V>(map: Map<K, V>, key: K, value: V): void {
  map.delete(key)
  map.set(key, value)
  if (map.size <= MAX_REMEMBERED) return
  for (const oldest of map.keys()) return void map.delete(oldest)
}
