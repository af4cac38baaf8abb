/**
 * A peer that has come to us through a relay is often one that we can dial: it knew no way through our router, and we have
 * learned its own address by now. Then we dial it, once, and the relay is spared. New streams go over the better connection
 * (best-connection.ts); streams over the relay stay.
 */
import type { Connection } from '@libp2p/interface'
import type { Libp2p } from 'libp2p'
import type { Logger } from '../../log.ts'
import type { Clock } from '../../timing/clock.ts'
import { timeoutSignal } from '../../timing/timeout-signal.ts'
import { transportOf } from './addresses/address-order.ts'
import type { AddressRule } from './addresses/address-rule.ts'
import { ipScope } from '../address-scope.ts'

const DIAL_TIMEOUT_MS = 10_000
/** The addresses are a stranger's claims: no more of them than an honest peer has. */
const MAX_ADDRESSES = 4

export function upgradeRelayed(
  deps: { readonly log: Logger; readonly clock: Clock },
  { libp2p, rule }: { readonly libp2p: Libp2p; readonly rule: AddressRule },
): void {
  // A peer may identify itself as often as it likes.
  const tried = new WeakSet<Connection>()
  libp2p.addEventListener('peer:identify', ({ detail }) => {
    const { connection, peerId, listenAddrs } = detail
    if (transportOf(connection.remoteAddr) !== 'relay' || tried.has(connection)) return
    const direct = listenAddrs
      .filter((address) => transportOf(address) !== 'relay' && rule.isDialable(address))
      .filter((address) => ipScope(address.getComponents()[0]?.value ?? '') === 'public')
      .slice(0, MAX_ADDRESSES)
      .map((address) => address.encapsulate(`/p2p/${peerId.toString()}`))
    const isDirect = libp2p.getConnections(peerId).some(({ limits }) => limits === undefined)
    if (direct.length === 0 || isDirect) return
    tried.add(connection)
    libp2p
      .dial(direct, { signal: timeoutSignal(deps.clock, DIAL_TIMEOUT_MS) })
      .catch((error: unknown) => deps.log.debug('host.upgrade-failed', { peer: peerId, error }))
  })
}
