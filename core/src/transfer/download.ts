/**
 * One artifact on its way here, for everyone who asked for it: peers first, hedged; large ones in chunks from several
 * peers; an origin as soon as the peers fail or stay silent; the network beyond the swarm when there is no origin or it
 * is slow. Ends with verified bytes in the store, or with an error for all.
 */
import type { Artifact, ArtifactSource, Origin } from '../api.ts'
import type { Digest } from '../content/digest.ts'
import { isCatalogError } from '../errors.ts'
import type { PeerId } from '../host/host.ts'
import type { Visibility } from '../store/store.ts'
import type { Assembly } from './assembly.ts'
import { downloadChunks } from './chunk-download.ts'
import { findSource } from './find-source.ts'
import { gatherPeers, type GatheredPeers } from './gather-peers.ts'
import type { Claim } from './holders.ts'
import { completeAssembly, feedAssembly, openOrigin, type OriginStream } from './origin-download.ts'
import { noProviders } from './search-attempt.ts'
import type { TransferDeps } from './transfer.ts'

/** Chunks from peers are a claim until the whole has matched, so readers wait; but not longer than clients would. */
const UNVERIFIED_READ_AFTER_MS = 20_000
/** Rounds of peers, when claims turn out wrong and there is no origin. Each bans a liar. */
const MAX_ROUNDS = 8
const WITH_ORIGIN = { graceMs: 1_000, minBytes: 64 * 1024, mayQueue: false, mayHangUp: false }
/** As slow as a registry may be; one that sends nothing at all is given up earlier, see request-stream.ts. */
const WITHOUT_ORIGIN = { graceMs: 20_000, minBytes: 4 * 1024, mayQueue: true, mayHangUp: true }

export interface DownloadRequest {
  readonly digest: Digest
  readonly origin: Origin | undefined
  readonly peers: boolean
  readonly visibility: Visibility
}

/** What the waiters get: verified bytes, or an assembly to read. */
type Delivery =
  | { readonly source: ArtifactSource; readonly bytes: Uint8Array }
  | { readonly source: ArtifactSource; readonly assembly: Assembly }

export interface Download {
  /** Rejects when every source has failed. */
  artifact(): Promise<Artifact>
  /** The public assembly under way, to pass on. */
  readonly arriving: Assembly | undefined
  /** Settles when nothing is left to do; never rejects. */
  readonly finished: Promise<void>
}

export function startDownload(
  request: DownloadRequest,
  deps: TransferDeps,
  signal: AbortSignal,
): Download {
  const { digest, visibility } = request
  const delivery = Promise.withResolvers<Delivery>()
  delivery.promise.catch(() => undefined) // every waiter sees it; there may be none left
  /** What the waiters have got hold of, if it is an assembly. */
  let delivered: Assembly | undefined
  /** Peers whose manifest came to nothing, and those that were asked to the end of our patience: asked no more. */
  const excluded = new Set<PeerId>()
  /** Peers that have sent a manifest: they are asked again though they may have gone, and their inventories with them. */
  const claimants = new Set<PeerId>()
  let arriving: Assembly | undefined

  function deliver(source: ArtifactSource, assembly: Assembly): void {
    delivered ??= assembly
    delivery.resolve({ source, assembly })
  }

  function holders(): PeerId[] {
    const known = new Set([...deps.discovery.holders(digest), ...claimants])
    return deps.scores.rank([...known.difference(excluded)], deps.links.outstanding)
  }

  async function run(): Promise<void> {
    let origin = request.origin
    let askSwarm = request.peers
    let originFailure: { error: unknown } | undefined
    let chunksError: unknown
    for (let round = 0; round < MAX_ROUNDS; round++) {
      try {
        return await tryOnce(origin, askSwarm ? holders() : [])
      } catch (error) {
        signal.throwIfAborted()
        // Somebody reads already what has failed: it can't be taken back.
        if (delivered !== undefined) throw error
        if (error instanceof ChunksFailed) {
          deps.log.warn('download.peers-failed', { digest, round, error: error.cause })
          chunksError = error.cause
          askSwarm = origin === undefined
        } else if (origin !== undefined && request.peers && !askSwarm) {
          // Peers that the origin was preferred to are better than nothing.
          originFailure = { error }
          origin = undefined
          askSwarm = true
        } else {
          if (originFailure !== undefined) throw originFailure.error
          throw chunksError === undefined ? error : noProviders(digest, chunksError)
        }
      }
    }
    if (originFailure !== undefined) throw originFailure.error
    throw noProviders(digest, chunksError)
  }

  async function tryOnce(origin: Origin | undefined, swarm: readonly PeerId[]): Promise<void> {
    const search = { digest, origin, swarm, search: request.peers, excluded }
    const found = await findSource(search, deps, signal)
    switch (found.kind) {
      case 'whole':
        await deps.store.put(digest, found.bytes, { visibility })
        return delivery.resolve(found)
      case 'origin':
        return await takeFromOrigin(found.result)
      case 'claim':
        return await takeChunks(found.claim, origin)
    }
  }

  async function takeFromOrigin(result: OriginStream): Promise<void> {
    const { size } = result
    const manifest = { digest, size, chunkSize: deps.chunkSize, root: new Uint8Array(32) }
    const assembly = await deps.assemblies.open(manifest, new Uint8Array(0), visibility)
    deliver('origin', assembly)
    try {
      await feedAssembly(assembly, result.body)
    } catch (error) {
      await assembly.fail(error, { keep: false })
      throw error
    }
  }

  /** @throws ChunksFailed when other sources may do better */
  async function takeChunks(first: Claim, origin: Origin | undefined): Promise<void> {
    const assembly = await deps.assemblies.open(first.manifest, first.leaves, visibility)
    const stop = new AbortController()
    const all = AbortSignal.any([signal, stop.signal])
    let peers: GatheredPeers | undefined
    deps.clock.sleep(UNVERIFIED_READ_AFTER_MS, all).then(
      () => deliver('peer', assembly),
      () => undefined, // over before that
    )
    try {
      const present = await assembly.resume()
      passOn(assembly)
      peers = gatherPeers(first, holders, deps, all)
      await fill(assembly, peers, { present, origin, signal: all })
      await assembly.verified
      deliver('peer', assembly)
    } catch (error) {
      if (isCatalogError(error, 'DIGEST_MISMATCH')) blame(peers)
      await assembly.fail(error, { keep: !isCatalogError(error, 'STORE_CORRUPT') })
      if (assembly.isVerified) return deliver('peer', assembly)
      throw new ChunksFailed(error)
    } finally {
      for (const peer of peers?.asked ?? []) claimants.add(peer)
      stop.abort(new Error('the download is over'))
      passOnNoMore()
    }
  }

  async function fill(
    assembly: Assembly,
    peers: GatheredPeers,
    options: { present: readonly number[]; origin: Origin | undefined; signal: AbortSignal },
  ): Promise<void> {
    const { origin, present } = options
    const patience = origin === undefined ? WITHOUT_ORIGIN : WITH_ORIGIN
    const onLost = (peer: PeerId): void => {
      if (origin === undefined) excluded.add(peer)
    }
    try {
      const how = { patience, present, onLost, signal: options.signal }
      await downloadChunks(assembly, peers, deps, how)
    } catch (error) {
      // Readers that have begun to read can't begin anew with other bytes: the origin fills what is missing.
      if (delivered !== assembly || origin === undefined || !isPeersFault(error)) throw error
      deps.log.warn('download.origin-completes', { digest, error })
      await completeFrom(origin, assembly, peers, options.signal)
    }
  }

  /** From the origin; where that can't be reached, from the peers after all, however slow they are. */
  async function completeFrom(
    origin: Origin,
    assembly: Assembly,
    peers: GatheredPeers,
    allSignal: AbortSignal,
  ): Promise<void> {
    try {
      const result = await openOrigin(origin, digest, { smallBytes: 0, signal: allSignal })
      await completeAssembly(assembly, result.kind === 'stream' ? result.body : once(result.bytes))
    } catch (error) {
      if (allSignal.aborted || saysNo(error)) throw error
      deps.log.warn('download.peers-complete', { digest, error })
      const present = presentChunks(assembly)
      await fill(assembly, peers, { present, origin: undefined, signal: allSignal })
    }
  }

  /** Who vouched for a manifest of other bytes has lied; who passed it on while downloading may have been lied to. */
  function blame(peers: GatheredPeers | undefined): void {
    for (const peer of peers?.asked ?? []) {
      excluded.add(peer)
      const report = peers?.vouchers.has(peer) ? deps.scores.lied : deps.scores.suspected
      report(peer, 'a manifest of other bytes')
    }
  }

  function passOn(assembly: Assembly): void {
    if (visibility !== 'public') return
    arriving = assembly
    deps.onArriving(digest)
  }

  function passOnNoMore(): void {
    if (arriving === undefined) return
    arriving = undefined
    if (!deps.store.has(digest)) deps.onArrivingFailed(digest)
  }

  const finished = run().catch((error: unknown) => {
    delivery.reject(error)
    if (!signal.aborted) deps.log.debug('download.failed', { digest, error })
  })

  return {
    async artifact() {
      return toArtifact(digest, await delivery.promise)
    },
    get arriving() {
      return arriving
    },
    finished,
  }
}

/** The chunks of one manifest did not come together; `cause` says why. Never leaves this file. */
class ChunksFailed extends Error {
  constructor(cause: unknown) {
    super('the chunks did not come together', { cause })
  }
}

function isPeersFault(error: unknown): boolean {
  return isCatalogError(error, 'PEER_TIMEOUT') || isCatalogError(error, 'NO_PROVIDERS')
}

/** It works, and what it says will not change. */
function saysNo(error: unknown): boolean {
  return isCatalogError(error, 'UPSTREAM_REJECTED') || isCatalogError(error, 'DIGEST_MISMATCH')
}

function presentChunks(assembly: Assembly): number[] {
  const present = assembly.present()
  return Array.from({ length: assembly.chunks }, (_, index) => index).filter((index) =>
    present.has(index),
  )
}

function toArtifact(digest: Digest, delivery: Delivery): Artifact {
  const { source } = delivery
  if ('bytes' in delivery) {
    const { bytes } = delivery
    return { digest, source, size: bytes.byteLength, bytes, body: once(bytes) }
  }
  const { assembly } = delivery
  return { digest, source, size: assembly.manifest.size, bytes: undefined, body: assembly.read() }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  if (bytes.byteLength > 0) yield bytes
}
