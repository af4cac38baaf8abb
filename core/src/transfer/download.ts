/**
 * One artifact on its way here, for everyone who asked for it: peers first, hedged; large ones in chunks from several
 * peers; an origin as soon as the peers fail or stay silent; the network beyond the swarm when there is no origin or it
 * is slow. Ends with verified bytes in the store, or with an error for all.
 */
import type { Artifact, ArtifactSource, Origin } from '../api.ts'
import type { Digest } from '../content/digest.ts'
import { CatalogError, isCatalogError } from '../errors.ts'
import type { PeerId } from '../host/host.ts'
import type { Visibility } from '../store/store.ts'
import type { Assembly } from './assembly.ts'
import type { AssemblyMaker } from './assembly-maker.ts'
import { downloadChunks } from './chunk-download.ts'
import { gatherPeers, type GatheredPeers } from './gather-peers.ts'
import { hedge, type Attempt } from './hedge.ts'
import { askPeer, type Claim } from './holders.ts'
import { feedAssembly, openOrigin, type OriginStream } from './origin-download.ts'
import type { TransferDeps } from './transfer.ts'

/** Peers asked for one artifact before the origin's turn. */
const MAX_ASKED = 6
/** A slow origin is given this long before the network beyond the swarm is searched as well. */
const SEARCH_AFTER_MS = 500
const SEARCH_DEADLINE_MS = 10_000
/** Chunks from peers are a claim until the whole has matched, so readers wait; but not longer than clients would. */
const UNVERIFIED_READ_AFTER_MS = 20_000
/** Rounds of peers, when claims turn out wrong and there is no origin. */
const MAX_ROUNDS = 4
const WITH_ORIGIN = { graceMs: 1_000, minBytes: 64 * 1024 }
const WITHOUT_ORIGIN = { graceMs: 20_000, minBytes: 80 * 1024 }

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

type Found =
  | { readonly kind: 'whole'; readonly source: ArtifactSource; readonly bytes: Uint8Array }
  | { readonly kind: 'claim'; readonly claim: Claim }
  | { readonly kind: 'origin'; readonly result: OriginStream; readonly cancel: AbortController }

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
  deps: TransferDeps & { assemblies: AssemblyMaker },
  signal: AbortSignal,
): Download {
  const { digest, visibility } = request
  const delivery = Promise.withResolvers<Delivery>()
  delivery.promise.catch(() => undefined) // every waiter sees it; there may be none left
  /** Peers that vouched for a manifest that came to nothing. */
  const distrusted = new Set<PeerId>()
  let arriving: Assembly | undefined

  function holders(): PeerId[] {
    const known = deps.discovery.holders(digest).filter((peer) => !distrusted.has(peer))
    return deps.scores.rank(known, deps.links.outstanding)
  }

  async function run(): Promise<void> {
    let origin = request.origin
    let lastError: unknown
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const found = await findSource(origin, lastError)
      if (found.kind === 'whole') {
        await deps.store.put(digest, found.bytes, { visibility: visibilityOf(found.source) })
        return delivery.resolve(found)
      }
      if (found.kind === 'origin') return await takeFromOrigin(found.result)
      try {
        return await takeChunks(found.claim, origin !== undefined)
      } catch (error) {
        signal.throwIfAborted()
        lastError = error
        deps.log.warn('download.peers-failed', { digest, error })
        if (origin !== undefined) {
          const result = await openOrigin(origin, digest, { smallBytes: deps.chunkSize, signal })
          if (result.kind === 'stream') return await takeFromOrigin(result)
          await deps.store.put(digest, result.bytes, { visibility })
          return delivery.resolve({ source: 'origin', bytes: result.bytes })
        }
        origin = undefined
      }
    }
    throw lastError
  }

  // What peers offer is public by definition: they have it without our credentials.
  function visibilityOf(source: ArtifactSource): Visibility {
    return source === 'peer' ? 'public' : visibility
  }

  async function findSource(origin: Origin | undefined, lastError: unknown): Promise<Found> {
    const ranked = request.peers ? holders() : []
    const waiting = ranked
      .filter((peer) => origin === undefined || !deps.scores.isCooling(peer))
      .slice(0, MAX_ASKED)
    let originLeft = origin !== undefined
    let searchLeft = request.peers
    let originError: unknown
    const next = (): Attempt<Found> | undefined => {
      const peer = waiting.shift()
      if (peer !== undefined) return fromPeer(peer)
      if (originLeft && origin !== undefined) {
        originLeft = false
        return fromOrigin(origin, (error) => (originError = error))
      }
      if (!searchLeft) return undefined
      searchLeft = false
      return fromSearch(lastError)
    }
    const onDiscarded = (late: Found): void => {
      if (late.kind === 'origin') late.cancel.abort(new Error('a peer was quicker'))
    }
    try {
      return await hedge(next, { clock: deps.clock, signal, onDiscarded })
    } catch (error) {
      throw originError ?? error // what the registry said explains more than that no peer has it
    }
  }

  function fromPeer(peer: PeerId): Attempt<Found> {
    const attempt = askPeer(peer, digest, deps)
    return {
      ...attempt,
      async run(attemptSignal) {
        const answer = await attempt.run(attemptSignal)
        if (answer.kind === 'claim') return answer
        return { kind: 'whole', source: 'peer', bytes: answer.bytes }
      },
    }
  }

  function fromOrigin(origin: Origin, onError: (error: unknown) => void): Attempt<Found> {
    return {
      hedgeMs: SEARCH_AFTER_MS,
      async run(attemptSignal) {
        // The attempt ends when its head has come; its body goes on after the race is over.
        const cancel = new AbortController()
        const forward = (): void => cancel.abort(attemptSignal.reason)
        attemptSignal.addEventListener('abort', forward, { once: true })
        try {
          const all = AbortSignal.any([signal, cancel.signal])
          const result = await openOrigin(origin, digest, {
            smallBytes: deps.chunkSize,
            signal: all,
          })
          if (result.kind === 'stream') return { kind: 'origin', result, cancel }
          return { kind: 'whole', source: 'origin', bytes: result.bytes }
        } catch (error) {
          onError(error)
          throw error
        } finally {
          attemptSignal.removeEventListener('abort', forward)
        }
      },
    }
  }

  function fromSearch(lastError: unknown): Attempt<Found> {
    return {
      hedgeMs: SEARCH_DEADLINE_MS,
      async run(attemptSignal) {
        const deadline = AbortSignal.any([attemptSignal, AbortSignal.timeout(SEARCH_DEADLINE_MS)])
        let failure = lastError
        try {
          for await (const peer of deps.discovery.search(digest, { signal: deadline })) {
            try {
              return await fromPeer(peer).run(attemptSignal)
            } catch (error) {
              failure = error
            }
          }
        } catch (error) {
          if (!deadline.aborted) throw error
        }
        attemptSignal.throwIfAborted()
        throw new CatalogError('NO_PROVIDERS', 'no peer has it', {
          digest,
          cause: failure,
          hint: 'connect to the registry or to a machine that has the package',
        })
      },
    }
  }

  async function takeFromOrigin(result: OriginStream): Promise<void> {
    const { size } = result
    const manifest = { digest, size, chunkSize: deps.chunkSize, root: new Uint8Array(32) }
    const assembly = await deps.assemblies.open(manifest, new Uint8Array(0), visibility)
    delivery.resolve({ source: 'origin', assembly })
    try {
      await feedAssembly(assembly, result.body)
    } catch (error) {
      await assembly.fail(error, { keep: false })
      throw error
    }
  }

  async function takeChunks(first: Claim, hasOrigin: boolean): Promise<void> {
    const { manifest, leaves } = first
    const assembly = await deps.assemblies.open(manifest, leaves, 'public')
    const patience = hasOrigin ? WITH_ORIGIN : WITHOUT_ORIGIN
    const early = setTimeout(
      () => delivery.resolve({ source: 'peer', assembly }),
      UNVERIFIED_READ_AFTER_MS,
    )
    let gathered: GatheredPeers | undefined
    const stop = new AbortController()
    const all = AbortSignal.any([signal, stop.signal])
    try {
      const present = await assembly.resume()
      arriving = assembly
      deps.onArriving(digest)
      const others = holders().filter((peer) => peer !== first.peer)
      gathered = gatherPeers(first, others, deps, all)
      await downloadChunks(assembly, gathered, deps, { patience, present, signal: all })
      await assembly.verified
      delivery.resolve({ source: 'peer', assembly })
    } catch (error) {
      if (isCatalogError(error, 'DIGEST_MISMATCH')) {
        for (const peer of gathered?.vouchers ?? [])
          deps.scores.lied(peer, 'a manifest of other bytes')
        for (const peer of gathered?.asked ?? []) distrusted.add(peer)
      }
      await assembly.fail(error, { keep: true })
      throw error
    } finally {
      clearTimeout(early)
      stop.abort(new Error('the download is over'))
      arriving = undefined
      if (!deps.store.has(digest)) deps.onArrivingFailed(digest)
    }
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
      return visibility === 'public' ? arriving : undefined
    },
    finished,
  }
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
