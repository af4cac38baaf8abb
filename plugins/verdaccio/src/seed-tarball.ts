/**
 * Copies one tarball from Verdaccio's storage into the node, if peers may have it. privacy.ts alone decides that. Never takes
 * bytes that do not match their digest, nor a file that has been removed meanwhile.
 */
import type { CatalogNode, Digest, Logger } from '@catalog-p2p/core'
import type { Counters } from './counters.ts'
import { sha512Of } from './integrity.ts'
import { tarballRecord, type TarballRecord } from './manifest.ts'
import type { RunningNode } from './node-source.ts'
import type { Privacy } from './privacy.ts'
import { withSize } from './spool.ts'
import type { StoredTarballs } from './stored-tarball.ts'
import type { UnpublishSync } from './unpublish-sync.ts'
import type { LocalStorage } from './verdaccio.ts'

export interface SeedDependencies {
  readonly localStorage: Pick<LocalStorage, 'getPackageMetadataAsync'>
  readonly files: StoredTarballs
  readonly privacy: Privacy
  readonly unpublishSync: Pick<UnpublishSync, 'begin'>
  readonly counters: Pick<Counters, 'seeded'>
  readonly log: Logger
  /** Settles when the node runs, or with undefined when it never will. */
  readonly node: Promise<RunningNode | undefined>
}

export interface StoredFile {
  readonly name: string
  readonly filename: string
}

/** `present`: the node had it. `left`: not for peers, or without anything to verify it by. */
export type SeedResult = 'seeded' | 'present' | 'left' | 'damaged'

/** @throws when the storage or the node fails */
export async function seedTarball(
  deps: SeedDependencies,
  file: StoredFile,
  options: { readonly signal: AbortSignal },
): Promise<SeedResult> {
  const running = await deps.node
  if (running === undefined) return 'left'
  const admit = deps.unpublishSync.begin()
  const manifest = await deps.localStorage.getPackageMetadataAsync(file.name)
  const record = tarballRecord(manifest, file.name, file.filename)
  if (!deps.privacy.isPublic(file.name, record)) return 'left'
  if (record.isRecorded && record.expected === undefined) return 'left'
  const integrity = await integrityOf(deps, file, { ...options, record })
  const digest = integrity === undefined ? undefined : running.toDigest(integrity)
  if (digest !== undefined && !admit(file, digest)) return 'left'
  if (digest !== undefined && running.node.has(digest)) return 'present'
  if (digest === undefined || !(await copy(deps, running, { ...options, file, digest }))) {
    const next = 'remove the file from the storage; Verdaccio then fetches it anew'
    deps.log.warn('seeding.damaged', { package: record.label, file: file.filename, next })
    return 'damaged'
  }
  deps.counters.seeded += 1
  deps.log.debug('seeding.done', { package: record.label, digest })
  return 'seeded'
}

/** From the metadata, or else by hashing the file; undefined when it is damaged. */
async function integrityOf(
  { files }: SeedDependencies,
  file: StoredFile,
  { record: { expected }, signal }: { record: TarballRecord; signal: AbortSignal },
): Promise<string | undefined> {
  const named = expected && sha512Of(expected)
  return named ?? (await files.digest({ ...file, expected }, { signal }))
}

/** False when the file's bytes do not match the digest. */
async function copy(
  { files }: SeedDependencies,
  { node, isMismatch }: RunningNode,
  { file, digest, signal }: { file: StoredFile; digest: Digest; signal: AbortSignal },
): Promise<boolean> {
  const origin = {
    visibility: 'public' as const,
    open: async (options: { signal: AbortSignal }) =>
      withSize(await files.open(file.name, file.filename, options), options),
  }
  try {
    await drain(await node.get(digest, { origin, peers: false, signal }))
    return true
  } catch (error) {
    if (isMismatch(error)) return false
    throw error
  }
}

async function drain(artifact: Awaited<ReturnType<CatalogNode['get']>>): Promise<void> {
  if (artifact.bytes !== undefined) return
  const iterator = artifact.body[Symbol.asyncIterator]()
  while ((await iterator.next()).done !== true);
}
