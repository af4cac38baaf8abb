/**
 * Keeps this node in a swarm: dials the peers it remembers and the bootstrap addresses at start, and again, less and less
 * often, while it has few peers; dials what the LAN shows. All in the background; nothing here fails a start.
 */
import { LRUCache } from 'lru-cache'
import PQueue from 'p-queue'
import type { Clock } from '../../timing/clock.ts'
import { createRepeatLog } from '../../limits/repeat-log.ts'
import type { Logger } from '../../log.ts'
import type { PeerId } from '../host.ts'

/** With peers at fewer addresses than this, go on looking: the ids of one address are one peer's, for all that we know. */
const ENOUGH_GROUPS = 4
const MAX_REMEMBERED = 32
const MAX_DIALS = 8
const DIAL_TIMEOUT_MS = 10_000
const FIRST_PAUSE_MS = 1_000
const LAST_PAUSE_MS = 60_000
/** A peer that was left on purpose is not dialled for so long. */
const LEAVE_MS = 10 * 60_000
const MAX_LEFT = 1000
/** Discovered peers are dialled only while this part of the connections is free for those who dial us. */
const FREE_PART = 0.25
const MAX_DIALLED_PART = 0.5
/** Peers seen on the LAN that wait for their dial; the one that has waited longest makes room, as it will show itself again. */
const MAX_WAITING = 64
const MAX_LAN_DIALS = 4

export interface PeerFinder {
  start(): void
  stop(): Promise<void>
  /** A peer shows itself on the LAN; its addresses are known. */
  found(peer: PeerId): void
  /** A connection was lost: look again soon, though not at once, for the peer may have meant it. */
  lost(): void
  /** We left this peer on purpose: do not come back for a while. */
  leave(peer: PeerId): void
}

export function createPeerFinder(
  deps: {
    readonly log: Logger
    readonly clock: Clock
    readonly dial: (target: string, options: { signal: AbortSignal }) => Promise<PeerId>
    readonly remembered: (limit: number) => Promise<readonly PeerId[]>
    readonly isConnected: (peer: PeerId) => boolean
    /** Address groups that we have a connection with. */
    readonly connectedGroups: () => number
    /** Connections that we have opened. */
    readonly dialledPeers: () => number
  },
  options: { readonly bootstrap: readonly string[]; readonly maxConnections: number },
): PeerFinder {
  const { log, clock } = deps
  const lookFailed = createRepeatLog(deps, 'host.look-failed')
  const queue = new PQueue({ concurrency: MAX_DIALS })
  const underWay = new Set<string>()
  const stopped = new AbortController()
  // A bootstrap address may lack a peer id; who answered there is known after the first dial.
  const answeredBy = new Map<string, PeerId>()
  const left = new LRUCache<PeerId, true>({ max: MAX_LEFT, ttl: LEAVE_MS })
  const waiting = new Set<PeerId>()
  let lanDials = 0
  let isRestless = new AbortController()
  let loop: Promise<void> | undefined

  function tryDial(target: string): Promise<void> {
    const peer = answeredBy.get(target) ?? target
    if (underWay.has(target) || left.has(peer) || deps.isConnected(peer)) return Promise.resolve()
    underWay.add(target)
    return queue.add(() => dialOnce(target))
  }

  async function dialOnce(target: string): Promise<void> {
    if (stopped.signal.aborted) return
    try {
      const signal = AbortSignal.any([stopped.signal, AbortSignal.timeout(DIAL_TIMEOUT_MS)])
      answeredBy.set(target, await deps.dial(target, { signal }))
    } catch (error) {
      log.debug('host.dial-failed', { target, error })
    } finally {
      underWay.delete(target)
    }
  }

  function dialWaiting(): void {
    for (const peer of waiting) {
      if (lanDials >= MAX_LAN_DIALS || stopped.signal.aborted) return
      waiting.delete(peer)
      lanDials += 1
      void tryDial(peer).finally(() => {
        lanDials -= 1
        dialWaiting()
      })
    }
  }

  function wantsMore(): boolean {
    const { maxConnections } = options
    return (
      deps.connectedGroups() < maxConnections * (1 - FREE_PART) &&
      deps.dialledPeers() < maxConnections * MAX_DIALLED_PART
    )
  }

  async function look(): Promise<void> {
    const known = await remembered()
    await Promise.all([...options.bootstrap, ...known].map((target) => tryDial(target)))
  }

  /** What is wrong with the database now may not be at the next look. */
  async function remembered(): Promise<readonly PeerId[]> {
    try {
      return await deps.remembered(MAX_REMEMBERED)
    } catch (error) {
      lookFailed({ error })
      return []
    }
  }

  async function run(): Promise<void> {
    let pauseMs = FIRST_PAUSE_MS
    while (!stopped.signal.aborted) {
      if (deps.connectedGroups() < ENOUGH_GROUPS) await look()
      // A fleet that starts at one moment must not knock in step.
      const wasCut = await pause(pauseMs * (0.75 + Math.random() / 2))
      pauseMs = wasCut ? FIRST_PAUSE_MS : Math.min(pauseMs * 2, LAST_PAUSE_MS)
      if (wasCut) await pause(FIRST_PAUSE_MS)
    }
  }

  /** True when it was cut short: a connection was lost, or it is time to stop. */
  async function pause(ms: number): Promise<boolean> {
    isRestless = new AbortController()
    const signal = AbortSignal.any([stopped.signal, isRestless.signal])
    if (signal.aborted) return true
    try {
      await clock.sleep(ms, signal)
      return false
    } catch (error) {
      if (!signal.aborted) throw error
      return true
    }
  }

  return {
    start() {
      loop = run().catch((error: unknown) => log.error('host.peer-finder-failed', { error }))
    },
    async stop() {
      stopped.abort()
      waiting.clear()
      // Not queue.clear(): what was waiting would never settle. It ends at once, as everything here heeds the signal.
      await loop
      await queue.onIdle()
    },
    found(peer) {
      if (!wantsMore()) return
      waiting.add(peer)
      for (const oldest of waiting) {
        if (waiting.size <= MAX_WAITING) break
        waiting.delete(oldest)
      }
      dialWaiting()
    },
    lost() {
      isRestless.abort()
    },
    leave(peer) {
      left.set(peer, true)
    },
  }
}
