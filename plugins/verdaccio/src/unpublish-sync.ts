/**
 * Withdraws from the node what Verdaccio removes, including what is still on its way there: a withdrawn digest is removed again
 * whenever it arrives, unless a fetch of it began after the removal. Never keeps Verdaccio from removing a file, nor makes it
 * wait longer than a bound.
 */
import type { Digest, Logger } from '@catalog-p2p/core'
import type { Counters } from './counters.ts'
import { sha512Of } from './integrity.ts'
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

type Filenames = readonly string[] | 'all'

/** Called before the node takes a file; false when the digest was withdrawn after `begin`. */
export type Admit = (file: File, digest: Digest) => boolean

export interface UnpublishSync {
  /** Called before reading the metadata that names the file's digest. */
  begin(): Admit
  /** Verdaccio is about to remove these files; call the result when it has. */
  removing(name: string, filenames: Filenames): Promise<() => void>
}

/** Files and digests remembered; the oldest is dropped first. */
const MAX_REMEMBERED = 20_000
/** Longest that Verdaccio waits for its files to be hashed. */
export const MAX_READING_MS = 10_000

export function createUnpublishSync(
  deps: UnpublishSyncDependencies,
  options: { readonly maxReadingMs: number } = { maxReadingMs: MAX_READING_MS },
): UnpublishSync {
  const { counters, log } = deps
  /** Digest per `name/file` that the node has taken or is taking. */
  const taken = new Map<string, Digest>()
  /** Number of the removal that withdrew each digest. */
  const withdrawnAt = new Map<Digest, number>()
  let removals = 0
  void watch()

  async function watch(): Promise<void> {
    const running = await deps.node
    running?.node.onEvent((event) => {
      if (event.type !== 'artifact-added' || !withdrawnAt.has(event.digest)) return
      // After the other listeners have heard of the artifact.
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

  function takenFor(name: string, filenames: Filenames): Digest[] {
    if (filenames !== 'all') return filenames.flatMap((file) => taken.get(`${name}/${file}`) ?? [])
    return [...taken].filter(([key]) => key.startsWith(`${name}/`)).map(([, digest]) => digest)
  }

  async function withdraw(
    digests: readonly Digest[],
    integrities: readonly string[],
  ): Promise<void> {
    const running = await deps.node
    if (running === undefined) return
    const stored = integrities.flatMap((each) => running.toDigest(each) ?? [])
    const all = new Set([...digests, ...stored])
    removals += 1
    for (const digest of all) remember(withdrawnAt, digest, removals)
    for (const digest of all) await remove(running, digest)
  }

  return {
    begin() {
      const begunAt = removals
      return ({ name, filename }, digest) => {
        if ((withdrawnAt.get(digest) ?? 0) > begunAt) return false
        withdrawnAt.delete(digest)
        remember(taken, `${name}/${filename}`, digest)
        return true
      }
    },
    async removing(name, filenames) {
      const integrities = await integritiesOf(deps, { name, filenames, ...options })
      // Looked up at the end: a download may have begun while the files were read.
      return () => void withdraw(takenFor(name, filenames), integrities)
    },
  }
}

async function integritiesOf(
  { localStorage, files, log }: UnpublishSyncDependencies,
  removal: { name: string; filenames: Filenames; maxReadingMs: number },
): Promise<readonly string[]> {
  const { name, filenames, maxReadingMs } = removal
  const manifest = await localStorage.getPackageMetadataAsync(name)
  const signal = AbortSignal.timeout(maxReadingMs)
  const integrities: string[] = []
  for (const filename of filenames === 'all' ? knownFiles(manifest) : filenames) {
    const integrity = await integrityOf(files, { name, filename }, { manifest, signal })
    if (integrity !== undefined) integrities.push(integrity)
  }
  if (signal.aborted) {
    const next = 'its files could not be read in time: peers may get some of it until it is evicted'
    log.warn('storage.not-withdrawn', { package: name, next })
  }
  return integrities
}

/** Hashes the file where the metadata does not name its digest, as after the version has been unpublished. */
async function integrityOf(
  files: Pick<StoredTarballs, 'digest'>,
  file: File,
  { manifest, signal }: { manifest: unknown; signal: AbortSignal },
): Promise<string | undefined> {
  const { expected } = tarballRecord(manifest, file.name, file.filename)
  const named = expected && sha512Of(expected)
  if (named !== undefined && isStoredAsNamed(manifest, file.name, file.filename)) return named
  if (!storedFiles(manifest).includes(file.filename)) return named
  const hashing = files.digest({ ...file, expected: undefined }, { signal })
  return await hashing.catch(() => undefined) // a missing file, or a timeout, which the caller logs
}

/** Bounded: drops the oldest entry. */
function remember<K, V>(map: Map<K, V>, key: K, value: V): void {
  map.delete(key)
  map.set(key, value)
  if (map.size <= MAX_REMEMBERED) return
  for (const oldest of map.keys()) return void map.delete(oldest)
}
