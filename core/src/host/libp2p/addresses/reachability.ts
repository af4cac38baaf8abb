/**
 * Whether others can reach us, known from connections that have come in. (Asking peers to try, as AutoNAT does, works badly
 * here: docs/decisions/0010-no-autonat.md.) It decides whether we answer DHT queries: a DHT server must be reachable for the
 * peers that it meets, be they on the internet or all in one office.
 */
import type { Connection } from '@libp2p/interface'
import type { KadDHT } from '@libp2p/kad-dht'
import type { Libp2p } from 'libp2p'
import type { CancelTimer, Clock } from '../../../timing/clock.ts'
import type { Logger } from '../../../log.ts'
import { transportOf } from './address-order.ts'
import { ipScope } from '../../address-scope.ts'
import type { Reach } from '../../host.ts'
import type { NetworkOptions } from '../listen-addresses.ts'
import type { OwnAddresses } from './own-addresses.ts'

/** How long it counts that somebody had reached us. */
const MEMORY_MS = 15 * 60_000
const LOOK_EVERY_MS = 60_000
/** From nearest to farthest. */
const REACHES: readonly Reach[] = ['nowhere', 'loopback', 'private', 'public']

export interface Reachability {
  /** From how far away a peer has reached us directly in the last minutes. */
  readonly from: Reach
  stop(): void
}

export function watchReachability(
  deps: { readonly clock: Clock; readonly log: Logger },
  parts: {
    readonly libp2p: Libp2p
    readonly dht: KadDHT | undefined
    readonly own: OwnAddresses
    readonly network: NetworkOptions
  },
): Reachability {
  const { libp2p, dht, own, network } = parts
  const { clock, log } = deps
  /** When a peer that had dialled us was connected last, by how far away it is. */
  const reachedAtMs = new Map<Reach, number>()
  let cancelTimer: CancelTimer | undefined

  function reachOf({ remoteAddr }: Connection): Reach {
    const ip = remoteAddr.getComponents()[0]?.value ?? ''
    const scope = ipScope(ip)
    // A neighbour with a public address says nothing of the world beyond the router.
    const isNear = own.networksOf(ip).size > 0 || own.isGateway(ip)
    if (scope === 'public' && isNear) return 'private'
    return scope ?? 'private'
  }

  function note(): void {
    for (const connection of libp2p.getConnections()) {
      const isDirect = transportOf(connection.remoteAddr) !== 'relay'
      if (connection.direction !== 'inbound' || !isDirect) continue
      reachedAtMs.set(reachOf(connection), clock.now())
    }
  }

  function reachedFrom(): Reach {
    note()
    const recent = [...reachedAtMs].filter(([, atMs]) => clock.now() - atMs < MEMORY_MS)
    return farthest(recent.map(([reach]) => reach))
  }

  function isServer(): boolean {
    if (network.bootstrapServer || own.announcesPublic()) return true
    const reached = reachedFrom()
    if (reached === 'nowhere' || (reached === 'public' && !own.isPublic())) return false
    const met = farthest(libp2p.getConnections().map(reachOf))
    return REACHES.indexOf(reached) >= REACHES.indexOf(met)
  }

  function look(): void {
    if (dht === undefined || libp2p.status !== 'started') return
    const mode = isServer() ? 'server' : 'client'
    if (dht.getMode() === mode) return
    log.debug('host.dht-mode', { mode, reachedFrom: reachedFrom() })
    dht.setMode(mode).catch((error: unknown) => log.warn('host.dht-mode-failed', { error }))
  }

  function lookAgain(): void {
    cancelTimer = clock.after(LOOK_EVERY_MS, () => {
      look()
      lookAgain()
    })
  }

  libp2p.addEventListener('connection:open', look)
  libp2p.addEventListener('connection:close', look)
  libp2p.addEventListener('self:peer:update', look)
  lookAgain()
  return {
    get from() {
      return reachedFrom()
    },
    stop() {
      cancelTimer?.()
      libp2p.removeEventListener('connection:open', look)
      libp2p.removeEventListener('connection:close', look)
      libp2p.removeEventListener('self:peer:update', look)
    },
  }
}

function farthest(reaches: readonly Reach[]): Reach {
  return REACHES.findLast((reach) => reaches.includes(reach)) ?? 'nowhere'
}
