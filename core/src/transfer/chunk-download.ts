/**
 * Fills one assembly with chunks from several peers at once. It carries out what plan.ts decides, and gives up (so that
 * another source can take over) when the peers together are too slow. It never ends in success itself: the assembly does.
 */
import type { Clock } from '../clock.ts'
import { CatalogError, isCatalogError } from '../errors.ts'
import type { PeerId } from '../host/host.ts'
import { HANG_UP_REST_MS } from './ask-again.ts'
import type { Assembly } from './assembly.ts'
import type { BulkSlots } from './bulk-slots.ts'
import type { ChunkPool } from './chunk-pool.ts'
import type { PeerLinks } from './peer-link.ts'
import type { PeerScores } from './peer-score.ts'
import { createPeerPace } from './peer-pace.ts'
import { createPlan } from './plan.ts'
import { createProgress } from './progress.ts'
import type { RateLimit } from './rate-limit.ts'

/** Bytes asked for beyond the first missing chunk. */
const WINDOW_BYTES = 32 * 1024 * 1024
/** Bytes one peer may owe us: enough for 150 MB/s at 50 ms. */
const PER_PEER_BYTES = 8 * 1024 * 1024
const TICK_MS = 50
const LATE_CHUNK_MS = 1_000
/** How long a peer that said BUSY is left alone. */
const BUSY_REST_MS = 250

/** When the peers are given up: `minBytes` must arrive within every `graceMs`. */
export interface Patience {
  readonly graceMs: number
  readonly minBytes: number
  /** Waiting for a place among the artifacts that come from a peer does not count. */
  readonly mayQueue: boolean
  /** A peer that hung up is asked again, a few times until it has sent something more. */
  readonly mayHangUp: boolean
}

export interface ChunkPeers {
  /** Peers that vouch for this manifest; `has` undefined: for all of it. Called with each as it joins. */
  onPeer(listener: (peer: PeerId, has: ((index: number) => boolean) | undefined) => void): void
}

export interface ChunkDownloadDeps {
  readonly links: PeerLinks
  readonly scores: PeerScores
  readonly clock: Clock
  readonly limitOf: (peer: PeerId) => RateLimit
  /** Places for artifacts that come in bulk from one peer. */
  readonly slots: BulkSlots
  readonly pool: ChunkPool
}

/**
 * Resolves when every chunk has arrived and matched its leaf.
 * @throws CatalogError PEER_TIMEOUT when the peers are too slow, NO_PROVIDERS when none is left
 */
export async function downloadChunks(
  assembly: Assembly,
  peers: ChunkPeers,
  deps: ChunkDownloadDeps,
  options: {
    patience: Patience
    present: readonly number[]
    /** It hung up or fell silent, and is left. */
    onLost: (peer: PeerId) => void
    signal: AbortSignal
  },
): Promise<void> {
  const { links, scores, clock, slots, pool } = deps
  const { chunkSize, digest, size } = assembly.manifest
  const pace = createPeerPace({ chunkSize, maxBytes: PER_PEER_BYTES })
  const plan = createPlan({
    chunks: assembly.chunks,
    window: Math.max(4, Math.floor(WINDOW_BYTES / chunkSize)),
    perPeer: (peer) => pace.chunks(peer),
  })
  for (const index of options.present) plan.arrived(index)
  const stop = new AbortController()
  const signal = AbortSignal.any([options.signal, stop.signal])
  const over = Promise.withResolvers<void>()
  const progress = createProgress((peer) => links.receivedBytes(peer, 'bulk'))
  /** Peers with a place for this artifact. */
  const seated = new Set<PeerId>()
  /** Peers that said BUSY or hung up, and until when they are left alone. */
  const resting = new Map<PeerId, number>()
  /** Times in a row. */
  const hangUps = new Map<PeerId, number>()
  /** Requests that our own limit holds back. */
  let held = 0

  async function holdBack(limit: RateLimit, bytes: number): Promise<void> {
    held++
    try {
      await limit.take(bytes, signal)
    } finally {
      held--
    }
  }

  async function fetchChunk(peer: PeerId, index: number): Promise<void> {
    const limit = deps.limitOf(peer)
    const length = Math.min(chunkSize, size - index * chunkSize)
    await holdBack(limit, length)
    if (assembly.has(index)) return limit.spend(-length)
    plan.sent(peer, index, clock.now())
    pace.sent(peer, clock.now())
    const stream = await links.stream(peer, 'bulk')
    const bytes = await stream.wantChunk(digest, { index, size: length }, { signal })
    pace.arrived(peer, length, clock.now())
    if (!(await assembly.add(index, bytes, () => pool.give(bytes)))) {
      scores.lied(peer, 'a chunk that does not match its manifest')
      throw new CatalogError('PEER_MISBEHAVED', 'a chunk does not match its manifest', { peer })
    }
    hangUps.delete(peer)
    scores.answered(peer, { bytes: length })
  }

  function start(peer: PeerId, index: number): void {
    plan.asked(peer, index, clock.now())
    fetchChunk(peer, index).then(
      () => {
        plan.arrived(index)
        if (plan.complete) over.resolve()
        else pump()
      },
      (error: unknown) => {
        if (signal.aborted) return
        plan.failed(peer, index)
        const restMs = restMsAfter(peer, error)
        if (restMs === undefined) dismiss(peer, error)
        else resting.set(peer, clock.now() + restMs)
        pump()
      },
    )
  }

  /** How long to leave it alone before it is asked again; undefined: for good. */
  function restMsAfter(peer: PeerId, error: unknown): number | undefined {
    if (isCatalogError(error, 'PEER_BUSY')) return BUSY_REST_MS
    if (!options.patience.mayHangUp || !isCatalogError(error, 'PEER_UNREACHABLE')) return undefined
    // All that it owed us fails with its stream: that is one time, not many.
    const restsForMs = (resting.get(peer) ?? 0) - clock.now()
    if (restsForMs > 0) return restsForMs
    const times = hangUps.get(peer) ?? 0
    hangUps.set(peer, times + 1)
    return HANG_UP_REST_MS[times]
  }

  function dismiss(peer: PeerId, error: unknown): void {
    if (!isCatalogError(error, 'NOT_FOUND')) scores.late(peer)
    if (isGone(error)) options.onLost(peer)
    leave(peer)
    plan.removePeer(peer)
    if (plan.peers.length > 0) return
    over.reject(
      new CatalogError('NO_PROVIDERS', 'no peer is left to ask', { digest, cause: error }),
    )
  }

  function leave(peer: PeerId): void {
    if (seated.delete(peer)) slots.release(peer, digest)
  }

  function canAsk(peer: PeerId): boolean {
    if ((resting.get(peer) ?? 0) > clock.now()) return false
    if (seated.has(peer)) return true
    if (!slots.take(peer, digest)) return false
    seated.add(peer)
    return true
  }

  function pump(): void {
    if (signal.aborted) return
    for (const peer of plan.peers) {
      if (scores.isBanned(peer)) {
        dismiss(peer, new CatalogError('PEER_REFUSED', 'the peer is banned', { peer }))
        continue
      }
      if (!canAsk(peer)) continue
      for (;;) {
        const index = plan.next(peer, clock.now(), LATE_CHUNK_MS)
        if (index === undefined) break
        start(peer, index)
      }
    }
  }

  async function watch(): Promise<void> {
    const { graceMs, minBytes, mayQueue } = options.patience
    let bytes = progress.total(plan.peers)
    let sinceMs = clock.now()
    for (;;) {
      await clock.sleep(TICK_MS, signal)
      pump()
      const now = progress.total(plan.peers) // at every tick: a peer may leave, what it sent has arrived
      // We are what is slow.
      if (held > 0 || (mayQueue && seated.size === 0)) sinceMs = clock.now()
      if (clock.now() - sinceMs < graceMs) continue
      if (now - bytes < minBytes) {
        for (const peer of plan.peers) {
          if (plan.owes(peer) === 0) continue
          scores.late(peer)
          options.onLost(peer)
        }
        throw new CatalogError('PEER_TIMEOUT', 'the peers are too slow', { digest })
      }
      bytes = now
      sinceMs = clock.now()
    }
  }

  const onAbort = (): void => over.reject(options.signal.reason as Error)
  options.signal.addEventListener('abort', onAbort, { once: true })
  over.promise.catch(() => undefined) // raced below
  try {
    options.signal.throwIfAborted()
    if (plan.complete) return
    peers.onPeer((peer, has) => {
      if (signal.aborted) return
      plan.addPeer(peer, has)
      pump()
    })
    await Promise.race([over.promise, watch(), assembly.verified])
  } finally {
    options.signal.removeEventListener('abort', onAbort)
    stop.abort(new Error('the download is over'))
    for (const peer of [...seated]) leave(peer)
  }
}

function isGone(error: unknown): boolean {
  return isCatalogError(error, 'PEER_UNREACHABLE') || isCatalogError(error, 'PEER_TIMEOUT')
}
