/**
 * When the configuration says otherwise than at the last start who may have what, the node's store is gone through before the
 * node joins its peers: what is known to be public stays, everything else goes. Nothing is announced or served meanwhile, and a
 * storage that can't be listed in time costs its part of the store, never its privacy.
 */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type * as Core from '@catalog-p2p/core'
import type { CatalogNode, Digest, Logger, NodeOptions } from '@catalog-p2p/core'
import { digestTextOf } from './integrity.ts'
import { knownFiles, tarballRecord } from './manifest.ts'
import type { Privacy } from './privacy.ts'
import { forEachPackage, listingOf } from './storage-listing.ts'
import type { LocalStorage } from './verdaccio.ts'

export interface KnownPublicDependencies {
  readonly core: Pick<typeof Core, 'createNode' | 'findDigest'>
  readonly localStorage: LocalStorage
  readonly privacy: Privacy
  readonly log: Logger
  readonly nodeLog: Logger
}

export interface KnownPublicOptions {
  readonly node: NodeOptions
  /** Names what the configuration says (privacy.ts). */
  readonly policy: string
  /** What has not been looked at by then goes. */
  readonly maxListingMs?: number
  readonly signal: AbortSignal
}

/** In the node's folder: the policy that everything in there has been looked at by. */
const POLICY_FILE = 'verdaccio-policy'
const MAX_LISTING_MS = 5 * 60_000

/** @throws CatalogError when the store can't be opened; the node must not start then */
export async function keepKnownPublic(
  deps: KnownPublicDependencies,
  options: KnownPublicOptions,
): Promise<void> {
  const path = options.node.store?.path
  if (path === undefined) return // nothing lasts
  const file = join(path, POLICY_FILE)
  if ((await textOf(file)) === options.policy) return
  if (await hasEntries(path)) {
    await rm(file, { force: true }) // until it is done it is begun anew
    await review(deps, options)
  }
  await mkdir(path, { recursive: true, mode: 0o700 })
  await writeFile(file, options.policy)
}

async function review(deps: KnownPublicDependencies, options: KnownPublicOptions): Promise<void> {
  const { core, log } = deps
  const { signal } = options
  signal.throwIfAborted()
  log.info('privacy.changed', { next: 'the store is gone through before peers are joined' })
  const node = await core.createNode(sealed(options.node), { log: deps.nodeLog })
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

/** The same store behind a node that nobody finds and that gives nothing to anybody. */
function sealed(options: NodeOptions): NodeOptions {
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
  deps: KnownPublicDependencies,
  { node, signal, maxListingMs = MAX_LISTING_MS }: KnownPublicOptions & { node: CatalogNode },
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
  { core, localStorage, privacy, log }: KnownPublicDependencies,
  { name, node, kept }: { name: string; node: CatalogNode; kept: Set<Digest> },
): Promise<void> {
  const manifest = await localStorage.getPackageMetadataAsync(name).catch((error: unknown) => {
    log.debug('privacy.skipped', { package: name, error }) // a folder that is no package, say
  })
  for (const filename of knownFiles(manifest)) {
    const record = tarballRecord(manifest, name, filename)
    const text = record.expected && digestTextOf(record.expected)
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

async function textOf(file: string): Promise<string | undefined> {
  return await readFile(file, 'utf8').catch(ifAbsent)
}

async function hasEntries(folder: string): Promise<boolean> {
  return ((await readdir(folder).catch(ifAbsent)) ?? []).length > 0
}

function ifAbsent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}
