/** A host whose peers seem to be connected directly, from this machine. */
import type { Host, PeerConnection } from '../../core/src/host/host.ts'

export function directHost(host: Host, how: Partial<PeerConnection> = {}): Host {
  const seen = { transport: 'quic', address: '/ip4/127.0.0.1/udp/4875/quic-v1', ...how } as const
  const peers = (): PeerConnection[] => host.peers().map((peer) => ({ ...peer, ...seen }))
  return new Proxy(host, {
    get(target, name) {
      if (name === 'peers') return peers
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}
