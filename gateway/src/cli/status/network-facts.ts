/** How the daemon stands in the network, in words: for `catalog status` and `catalog doctor`. Pure. */
import type { NetworkStats } from '@catalog-p2p/core'
import { plural } from '../shell/format.ts'

const REACHED: Readonly<Record<NetworkStats['reachedFrom'], string>> = {
  public: 'directly from the internet',
  private: 'directly from networks that this machine is on',
  loopback: 'directly from this machine',
  nowhere: 'by nobody directly, as yet',
}

export function reachText({ reachedFrom, relayed, mapped }: NetworkStats): string {
  return [
    REACHED[reachedFrom],
    ...(relayed.length > 0 ? [`through ${plural(countRelays(relayed), 'relay')}`] : []),
    ...mapped.map((address) => `at ${address}, which the router has opened`),
  ].join('; ')
}

export function dhtText(network: NetworkStats): string {
  const { dht, announceBacklog, announceFailures, isAnnounceFailing } = network
  if (dht === 'off') return 'off'
  const role = dht === 'server' ? 'server (answers others)' : 'client (only asks)'
  const failed = announceFailures === 0 ? '' : `, ${announceFailures} failed`
  const now = isAnnounceFailing ? ': NOBODY TAKES THEM NOW' : ''
  return `${role}, ${plural(announceBacklog, 'announcement')} waiting${failed}${now}`
}

export function networkFacts(network: NetworkStats | undefined): (readonly [string, string])[] {
  if (network === undefined) return [] // a daemon of an older version says nothing of it
  const { relayReservations } = network
  return [
    ['reached', reachText(network)],
    ...(relayReservations > 0 ? [['relays for', plural(relayReservations, 'peer')] as const] : []),
    ['DHT', dhtText(network)],
  ]
}

function countRelays(relayed: readonly string[]): number {
  return new Set(relayed.map((address) => /\/p2p\/([^/]+)\/p2p-circuit/.exec(address)?.[1])).size
}
