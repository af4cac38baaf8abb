import type { NetworkStats } from '@catalog-p2p/core'

/** Of a node without any network. */
export const NO_NETWORK: NetworkStats = {
  ...{ reachedFrom: 'nowhere', mapped: [], relayed: [], relayReservations: 0, dht: 'off' },
  ...{ unmet: 0, announceBacklog: 0, announceFailures: 0, isAnnounceFailing: false },
}
