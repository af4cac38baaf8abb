/**
 * Joins a private swarm with an invite: dials the machine that has given it, by a host of its own that nobody else gets anything
 * from, and brings back what that machine hands over.
 */
import { CatalogError } from './errors.ts'
import type { Membership } from './host/host.ts'
import type { Logger } from './log.ts'
import { parseNodeOptions } from './options.ts'
import { systemRandom } from './random.ts'
import { createFrameSource } from './swarm/frame-source.ts'
import { outsider } from './swarm/hello.ts'
import type { Invite } from './swarm/invite.ts'
import { joinAsDialer } from './swarm/joining.ts'
import { systemClock } from './timing/clock.ts'

const LOOPBACK = /^\/ip4\/127\.|^\/ip6\/::1\//
const MAX_GIFT_BYTES = 128 * 1024

/**
 * The gift: a swarm file.
 * @throws CatalogError PEER_UNREACHABLE, PEER_REFUSED when the invite is of no use there any more; `signal.reason`
 */
export async function joinSwarm(
  invite: Pick<Invite, 'secret' | 'peer' | 'addresses'>,
  { log, signal }: { readonly log: Logger; readonly signal: AbortSignal },
): Promise<Uint8Array> {
  const { createLibp2pHost } = await import('./host/libp2p/libp2p-host.ts')
  const loopbackOnly = invite.addresses.every((address) => LOOPBACK.test(address))
  const quiet = { mdns: false, dht: false, peerExchange: false, upnp: false, maxConnections: 8 }
  const { network } = parseNodeOptions({ network: { port: 0, loopbackOnly, ...quiet } })
  const bearer = createBearer(invite)
  const deps = { log, clock: systemClock, random: systemRandom, membership: bearer.membership }
  const host = createLibp2pHost(deps, { network, path: undefined })
  await host.start()
  try {
    let failure: unknown
    for (const address of invite.addresses) {
      // The connection is refused in any case: by then it has brought what it was for.
      await host.connect(`${address}/p2p/${invite.peer}`, { signal }).catch((error: unknown) => {
        failure ??= error
      })
      signal.throwIfAborted()
      const { gift, refusal } = bearer.outcome()
      if (gift !== undefined) return gift
      if (refusal !== undefined) throw refusal
    }
    throw new CatalogError('PEER_UNREACHABLE', 'the machine that invited is not to be reached', {
      hint: 'its daemon must be running ("catalog start" there), in reach of this machine',
      cause: failure,
    })
  } finally {
    await host.stop()
  }
}

function createBearer({ secret, peer }: Pick<Invite, 'secret' | 'peer'>): {
  readonly membership: Membership
  outcome(): { gift?: Uint8Array; refusal?: CatalogError }
} {
  let outcome: { gift?: Uint8Array; refusal?: CatalogError } = {}
  const membership: Membership = {
    lanSeals: () => [],
    async prove(stream, meeting) {
      if (meeting.role !== 'dialer' || meeting.peer !== peer) throw outsider()
      const talk = { stream, meeting, frames: createFrameSource(stream.source, MAX_GIFT_BYTES) }
      try {
        outcome = { gift: await joinAsDialer(talk, secret) }
      } catch (error) {
        if (error instanceof CatalogError && error.code === 'PEER_REFUSED') {
          outcome = { refusal: error }
        }
        throw error
      } finally {
        await stream.end().catch(() => undefined)
      }
      return false
    },
  }
  return { membership, outcome: () => outcome }
}
