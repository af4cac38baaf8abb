/**
 * Applies a configuration that changed who may read what to the node's store, before the node joins its peers: artifacts known to
 * be public stay, all others are removed. Nothing is announced or served meanwhile. A storage that can't be listed in time costs
 * artifacts, never privacy.
 */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type * as Core from '@catalog-p2p/core'
import type { CatalogNode, Digest, Logger, NodeOptions } from '@catalog-p2p/core'
import { sha512Of } from './integrity.ts'
import { knownFiles, tarballRecord } from './manifest.ts'
import type { Privacy } from './privacy.ts'
import { forEachPackage, listingOf } from './storage-listing.ts'
import type { LocalStorage } from './verdaccio.ts'

export interface RevisitDependencies {
  readonly core: Pick<typeof Core, 'createNode' | 'findDigest'>
  readonly localStorage: LocalStorage
  readonly privacy: Privacy
  readonly log: Logger
  readonly nodeLog: Logger
}

export interface RevisitOptions {
  readonly node: NodeOptions
  /** policyOf (privacy.ts) of the configuration. */
  readonly policy: string
  /** Artifacts not found to be public by then are removed. */
  readonly maxListingMs?: number
  readonly signal: AbortSignal
}

/** In the node's folder: the policy that the store was last reviewed by. */
const POLICY_FILE = 'verdaccio-policy'
const MAX_LISTING_MS = 5 * 60_000

/** @throws CatalogError when the store can't be opened; then the node must not start */
export async function revisitVisibility(
  deps: RevisitDependencies,
  options: RevisitOptions,
): Promise<void> {
  const path = options.node.store?.path
  if (path === undefined) return // a store in memory
  const file = join(path, POLICY_FILE)
  if ((await readIfPresent(file)) === options.policy) return
  if (await hasEntries(path)) {
    await rm(file, { force: true }) // an interrupted review starts again
    await review(deps, options)
  }
  await mkdir(path, { recursive: true, mode: 0o700 })
  await writeFile(file, options.policy, { mode: 0o600 })
}

async function review(deps: RevisitDependencies, options: RevisitOptions): Promise<void> {
  const { core, log } = deps
  const { signal } = options
  signal.throwIfAborted()
  log.info('privacy.changed', { next: 'the store is gone through before peers are joined' })
  const node = await core.createNode(isolated(options.node), { log: deps.nodeLog })
  try {
    const before = node.stats().store.artifacts
    if (before === 0) return
    const kept = await pinPublic(deps, { ...options, node })
    await node.prune({ targetBytes: 0, signal })
    for (const digest of kept) {
      signal.throwIfAborted()
      await node.pin(digest, false)
    }
    const after = node.stats().store.artifacts
    log.info('privacy.applied', { kept: after, removed: before - after })
  } finally {
    await node.close()
  }
}

/** The same store behind a node that peers can't find and that serves nothing. */
function isolated(options: NodeOptions): NodeOptions {
  const off = { mdns: false, dht: false, peerExchange: false, upnp: false }
  const relays = { relayClient: false, relayServer: false, bootstrapServer: false }
  const network = { ...off, ...relays, bootstrap: [], loopbackOnly: true, port: 0 }
  return {
    ...options,
    network: { ...options.network, ...network },
    transfer: { ...options.transfer, seed: false },
  }
}

async function pinPublic(
  deps: RevisitDependencies,
  { node, signal, maxListingMs = MAX_LISTING_MS }: RevisitOptions & { node: CatalogNode },
): Promise<ReadonlySet<Digest>> {
  const { localStorage, log } = deps
  const kept = new Set<Digest>()
  const deadline = AbortSignal.timeout(maxListingMs)
  const listing = listingOf(localStorage)
  const next = 'what is not known to be public leaves the store; it is seeded as it is asked for'
  if (listing === undefined) {
    log.warn('privacy.no-list', { next })
    return kept
  }
  try {
    await forEachPackage(listing, async (name) => {
      signal.throwIfAborted()
      deadline.throwIfAborted()
      await pinPackage(deps, { name, node, kept })
    })
  } catch (error) {
    signal.throwIfAborted()
    log.warn('privacy.list-stopped', { error, next })
  }
  return kept
}

async function pinPackage(
  { core, localStorage, privacy, log }: RevisitDependencies,
  { name, node, kept }: { name: string; node: CatalogNode; kept: Set<Digest> },
): Promise<void> {
  const manifest = await localStorage.getPackageMetadataAsync(name).catch((error: unknown) => {
    log.debug('privacy.skipped', { package: name, error }) // the folder may be no package
  })
  for (const filename of knownFiles(manifest)) {
    const record = tarballRecord(manifest, name, filename)
    const text = record.expected && sha512Of(record.expected)
    const digest = text === undefined ? undefined : core.findDigest(text)
    if (digest === undefined || !node.has(digest)) continue
    if (privacy.isPublic(name, record)) {
      await node.pin(digest, true)
      kept.add(digest)
    } else {
      await node.remove(digest)
      kept.delete(digest)
    }
  }
}

async function readIfPresent(file: string): Promise<string | undefined> {
  return await readFile(file, 'utf8').catch(ifAbsent)
}

async function hasEntries(folder: string): Promise<boolean> {
  return ((await readdir(folder).catch(ifAbsent)) ?? []).length > 0
}

function ifAbsent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}
