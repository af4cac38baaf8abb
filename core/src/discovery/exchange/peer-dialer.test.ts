import { afterEach, describe, expect, it } from 'vitest'
import { createFakeClock, type FakeClock } from '../../../../test/support/fake-clock.ts'
import { CatalogError } from '../../errors.ts'
import type { Host, PeerConnection, PeerId } from '../../host/host.ts'
import { createMemoryNetwork } from '../../host/memory-host.ts'
import { silentLogger } from '../../log.ts'
import { PeerDialer } from './peer-dialer.ts'
import type { KnownPeer } from '../../wire/peer-messages.ts'

interface World {
  readonly clock: FakeClock
  readonly dialer: PeerDialer
  /** Every dial, in order. */
  readonly dialled: PeerId[]
  mostAtOnce(): number
  answer: 'nobody' | 'hangs' | 'refused'
}

const SOURCE = '/memory/source'

let world: World
afterEach(async () => {
  await world.dialer.stop()
  await world.clock.advance(0)
  expect(world.clock.sleepers).toBe(0)
})

async function createWorld(
  targetPeers = 30,
  connected: readonly PeerConnection[] = [],
): Promise<World> {
  const clock = createFakeClock()
  const real = createMemoryNetwork({ clock }).createHost('self')
  await real.start()
  const dialled: PeerId[] = []
  let active = 0
  let most = 0
  const host: Host = {
    id: 'self',
    peers: () => connected,
    isConnected: () => false,
    learnAddresses: async () => undefined,
    start: () => real.start(),
    stop: () => real.stop(),
    addresses: () => real.addresses(),
    groupOf: (peer) => real.groupOf(peer),
    problems: () => real.problems(),
    network: () => real.network(),
    disconnect: (peer) => real.disconnect(peer),
    open: (...args) => real.open(...args),
    handle: (...args) => real.handle(...args),
    addressesOf: (peer) => real.addressesOf(peer),
    setGate: (isDenied) => real.setGate(isDenied),
    setAdmission: (admit) => real.setAdmission(admit),
    onEvent: (listener) => real.onEvent(listener),
    routing: undefined,
    async connect(peer, { signal }) {
      dialled.push(peer)
      active += 1
      most = Math.max(most, active)
      try {
        if (world.answer === 'refused') throw new CatalogError('PEER_REFUSED', 'banned')
        await clock.sleep(world.answer === 'hangs' ? 3_600_000 : 100, signal)
        throw new CatalogError('PEER_UNREACHABLE', 'nobody there')
      } finally {
        active -= 1
      }
    },
  }
  const dialer = new PeerDialer({ host, clock, log: silentLogger }, { targetPeers })
  dialer.start()
  world = { clock, dialer, dialled, mostAtOnce: () => most, answer: 'nobody' }
  return world
}

const connection = (peer: string, ip: string): PeerConnection => ({
  ...{ peer, group: ip, address: `/ip4/${ip}/tcp/1` },
  ...{ direction: 'inbound', transport: 'tcp', connectedAtMs: 0 },
})

const peers = (from: number, to: number): KnownPeer[] =>
  Array.from({ length: to - from }, (_, i) => ({
    peer: `p${from + i}`,
    addresses: [`/memory/p${from + i}`],
  }))

describe('PeerDialer', () => {
  it('dials a few at once, each with a deadline', async () => {
    const { dialer, clock, dialled, mostAtOnce } = await createWorld()
    world.answer = 'hangs'
    dialer.learn(peers(0, 10), SOURCE)
    await clock.advance(9000)
    expect(dialled).toHaveLength(4)
    await clock.advance(2000)
    expect(dialled).toHaveLength(8)
    expect(mostAtOnce()).toBe(4)
  })

  it('remembers no more than 512, the newest', async () => {
    const { dialer, clock, dialled } = await createWorld()
    world.answer = 'hangs'
    for (let i = 0; i < 2000; i += 20) dialer.learn(peers(i, i + 20), SOURCE)
    world.answer = 'nobody'
    await clock.advance(50_000)
    expect(new Set(dialled).size).toBeLessThanOrEqual(516)
    expect(dialled).toContain('p1999')
    expect(dialled).not.toContain('p500')
  })

  it('tries thrice, ever later, and then not for ten minutes', async () => {
    const { dialer, clock, dialled } = await createWorld()
    for (let minute = 0; minute < 9; minute += 1) {
      dialer.learn(peers(0, 1), SOURCE)
      await clock.advance(60_000)
    }
    expect(dialled).toHaveLength(3)
    for (let minute = 0; minute < 8; minute += 1) {
      dialer.learn(peers(0, 1), SOURCE)
      await clock.advance(60_000)
    }
    expect(dialled.length).toBeGreaterThan(3)
  })

  it('takes a refusal for an answer', async () => {
    const { dialer, clock, dialled } = await createWorld()
    world.answer = 'refused'
    dialer.learn(peers(0, 1), SOURCE)
    await clock.advance(300_000)
    dialer.learn(peers(0, 1), SOURCE)
    await clock.advance(1000)
    expect(dialled).toEqual(['p0'])
  })

  it('dials neither itself, nor without an address, nor when there are enough', async () => {
    const { dialer, clock, dialled } = await createWorld()
    dialer.learn(
      [
        { peer: 'self', addresses: ['/memory/self'] },
        { peer: 'p1', addresses: [] },
      ],
      SOURCE,
    )
    await clock.advance(1000)
    expect(dialled).toEqual([])
    const idle = await createWorld(0)
    idle.dialer.learn(peers(0, 5), SOURCE)
    await idle.clock.advance(1000)
    expect(idle.dialled).toEqual([])
  })

  it('thirty ids of one address are not enough, and no more of them are dialled', async () => {
    const connected = Array.from({ length: 30 }, (_, id) =>
      connection(`liar-${id}`, '203.0.113.66'),
    )
    const { dialer, clock, dialled } = await createWorld(30, connected)
    dialer.learn(
      [
        { peer: 'another-id', addresses: ['/ip4/203.0.113.66/tcp/9'] },
        { peer: 'honest', addresses: ['/ip4/203.0.113.7/tcp/9', '/ip4/203.0.113.66/tcp/9'] },
      ],
      SOURCE,
    )
    await clock.advance(1_000)
    expect(new Set(dialled)).toEqual(new Set(['honest']))
  })

  it('peers at thirty addresses are enough', async () => {
    const connected = Array.from({ length: 30 }, (_, id) =>
      connection(`peer-${id}`, `203.0.113.${id}`),
    )
    const { dialer, clock, dialled } = await createWorld(30, connected)
    dialer.learn([{ peer: 'one-more', addresses: ['/ip4/203.0.113.200/tcp/9'] }], SOURCE)
    await clock.advance(1_000)
    expect(dialled).toEqual([])
  })

  it('stops in the middle of dials', async () => {
    const { dialer, clock, dialled } = await createWorld()
    world.answer = 'hangs'
    dialer.learn(peers(0, 10), SOURCE)
    await clock.advance(10)
    await dialer.stop()
    await clock.advance(60_000)
    expect(dialled).toHaveLength(4)
  })
})
