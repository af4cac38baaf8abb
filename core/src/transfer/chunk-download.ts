/**
 * Fills one assembly with chunks from several peers at once. It carries out what plan.ts decides, and gives up (so that
 * another source can take over) when the peers together are too slow. It never ends in success itself: the assembly does.
 */
import type { Clock } from '../clock.ts'
import { CatalogError, isCatalogError } from '../errors.ts'
import type { PeerId } from '../host/host.ts'
import type { Assembly } from './assembly.ts'
import type { PeerLinks } from './peer-link.ts'
import type { PeerScores } from './peer-score.ts'
import { createPlan } from './plan.ts'
import type { RateLimit } from './rate-limit.ts'

/** Bytes asked for beyond the first missing chunk. */
const WINDOW_BYTES = 32 * 1024 * 1024
/** Bytes one peer may owe us: enough for 150 MB/s at 50 ms. */
const PER_PEER_BYTES = 8 * 1024 * 1024
const TICK_MS = 50
const LATE_CHUNK_MS = 1_000
const CHUNK_DEADLINE_MS = 60_000

/** When the peers are given up: `minBytes` must arrive within every `graceMs`. */
export interface Patience {
  readonly graceMs: number
  readonly minBytes: number
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
}

/**
 * Resolves when every chunk has arrived and matched its leaf.
 * @throws CatalogError PEER_TIMEOUT when the peers are too slow, NO_PROVIDERS when none is left
 */
export async function downloadChunks(
  assembly: Assembly,
  peers: ChunkPeers,
  deps: ChunkDownloadDeps,
  options: { patience: Patience; present: readonly number[]; signal: AbortSignal },
): Promise<void> {
  const { links, scores, clock } = deps
  const { chunkSize, digest, size } = assembly.manifest
  const plan = createPlan({
    chunks: assembly.chunks,
    window: Math.max(4, Math.floor(WINDOW_BYTES / chunkSize)),
    perPeer: Math.max(2, Math.floor(PER_PEER_BYTES / chunkSize)),
  })
  for (const index of options.present) plan.arrived(index)
  const stop = new AbortController()
  const signal = AbortSignal.any([options.signal, stop.signal])
  const over = Promise.withResolvers<void>()

  async function fetchChunk(peer: PeerId, index: number): Promise<void> {
    const startedMs = clock.now()
    const limit = deps.limitOf(peer)
    await limit.ready(signal)
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(CHUNK_DEADLINE_MS)])
    const stream = await links.stream(peer, 'bulk')
    const length = Math.min(chunkSize, size - index * chunkSize)
    const bytes = await stream.wantChunk(digest, { index, size: length }, { signal: deadline })
    limit.spend(length)
    if (assembly.has(index)) return
    if (!(await assembly.add(index, bytes))) {
      scores.lied(peer, 'a chunk that does not match its manifest')
      throw new CatalogError('PEER_MISBEHAVED', 'a chunk does not match its manifest', { peer })
    }
    scores.answered(peer, { answerMs: clock.now() - startedMs, bytes: length })
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
        dismiss(peer, error)
        pump()
      },
    )
  }

  function dismiss(peer: PeerId, error: unknown): void {
    if (!isCatalogError(error, 'NOT_FOUND')) scores.late(peer)
    plan.removePeer(peer)
    if (plan.peers.length > 0) return
    over.reject(
      new CatalogError('NO_PROVIDERS', 'no peer is left to ask', { digest, cause: error }),
    )
  }

  function pump(): void {
    if (signal.aborted) return
    for (const peer of plan.peers) {
      if (scores.isBanned(peer)) {
        dismiss(peer, new CatalogError('PEER_REFUSED', 'the peer is banned', { peer }))
        continue
      }
      for (;;) {
        const index = plan.next(peer, clock.now(), LATE_CHUNK_MS)
        if (index === undefined) break
        start(peer, index)
      }
    }
  }

  function received(): number {
    let bytes = 0
    for (const peer of plan.peers) bytes += links.receivedBytes(peer)
    return bytes
  }

  async function watch(): Promise<void> {
    let bytes = received()
    let sinceMs = clock.now()
    for (;;) {
      await clock.sleep(TICK_MS, signal)
      pump()
      if (clock.now() - sinceMs < options.patience.graceMs) continue
      const now = received()
      if (now - bytes < options.patience.minBytes) {
        for (const peer of plan.peers) scores.late(peer)
        throw new CatalogError('PEER_TIMEOUT', 'the peers are too slow', { digest })
      }
      bytes = now
      sinceMs = clock.now()
    }
  }

  peers.onPeer((peer, has) => {
    if (signal.aborted) return
    plan.addPeer(peer, has)
    pump()
  })
  const onAbort = (): void => over.reject(options.signal.reason as Error)
  options.signal.addEventListener('abort', onAbort, { once: true })
  try {
    if (plan.complete) return
    options.signal.throwIfAborted()
    await Promise.race([over.promise, watch(), assembly.verified])
  } finally {
    options.signal.removeEventListener('abort', onAbort)
    over.promise.catch(() => undefined) // decided already
    stop.abort(new Error('the download is over'))
  }
}
