import { PEER_EXCHANGE } from './peer-protocol.ts'
import { afterEach, describe, expect, it } from 'vitest'
import { createFakeClock, type FakeClock } from '../../../../test/support/fake-clock.ts'
import type { ByteStream, Host, PeerId } from '../../host/host.ts'
import { createMemoryNetwork, type MemoryNetwork } from '../../host/memory-host.ts'
import { silentLogger } from '../../log.ts'
import { readMessage } from '../../rpc/protocol.ts'
import { encodeFrame } from '../../wire/frames.ts'
import { PeerExchange } from './peer-exchange.ts'
import {
  encodePeerMessage,
  PEER_EXCHANGE_PROTOCOL,
  type KnownPeer,
  type PeerMessage,
} from '../../wire/peer-messages.ts'

const signal = AbortSignal.timeout(60_000)

interface Node {
  readonly host: Host
  readonly exchange: PeerExchange
  readonly misbehaved: string[]
}

interface World {
  readonly clock: FakeClock
  readonly network: MemoryNetwork
  node(name: string, targetPeers?: number): Promise<Node>
  stranger(name: string): Promise<Host>
  connect(from: string, to: string): Promise<void>
  until(condition: () => boolean, maxMs: number): Promise<number>
  stop(): Promise<void>
}

let world: World
afterEach(async () => {
  await world.stop()
})

function createWorld(): World {
  const clock = createFakeClock()
  const network = createMemoryNetwork({ clock, latencyMs: 1 })
  const hosts = new Map<PeerId, Host>()
  const exchanges: PeerExchange[] = []
  async function stranger(name: string): Promise<Host> {
    const host = network.createHost(name)
    hosts.set(name, host)
    await host.start()
    return host
  }
  const finish = async (work: Promise<unknown>): Promise<void> => {
    let isDone = false
    const done = work.finally(() => {
      isDone = true
    })
    await clock.advanceUntil(() => isDone, { maxMs: 20_000 })
    await done
  }
  return {
    clock,
    network,
    stranger,
    async node(name, targetPeers = 30) {
      const host = await stranger(name)
      const misbehaved: string[] = []
      const onMisbehaviour = (peer: PeerId, reason: string): void => {
        misbehaved.push(`${peer} ${reason}`)
      }
      const exchange = new PeerExchange(
        { host, clock, random: Math.random, log: silentLogger, onMisbehaviour },
        { targetPeers },
      )
      exchange.start()
      exchanges.push(exchange)
      return { host, exchange, misbehaved }
    },
    async connect(from, to) {
      const host = hosts.get(from)
      if (host === undefined) throw new Error(`no host named ${from}`)
      await finish(host.connect(to, { signal }))
    },
    until: (condition, maxMs) => clock.advanceUntil(condition, { maxMs }),
    async stop() {
      await finish(Promise.all(exchanges.map((exchange) => exchange.stop())))
      await Promise.all([...hosts.values()].map((host) => host.stop()))
      await clock.advance(100)
      expect(clock.sleepers).toBe(0)
    },
  }
}

function isClique(nodes: readonly Node[]): boolean {
  return nodes.every(({ host }) => host.peers().length === nodes.length - 1)
}

/** Says `message` and hears the answer. */
async function talk(
  host: Host,
  to: PeerId,
  message: PeerMessage,
): Promise<PeerMessage | undefined> {
  const stream = await host.open(to, PEER_EXCHANGE_PROTOCOL, { signal })
  await stream.write(encodeFrame(encodePeerMessage(message)))
  await stream.end()
  return readMessage(stream, PEER_EXCHANGE.response)
}

/** Runs while time goes on. */
async function within<Result>(maxMs: number, work: Promise<Result>): Promise<Result> {
  let isDone = false
  const done = work.finally(() => {
    isDone = true
  })
  done.catch(() => undefined) // awaited below
  await world.until(() => isDone, maxMs)
  return done
}

describe('peer exchange', () => {
  it('makes a clique of a chain of four', async () => {
    world = createWorld()
    const nodes = [
      await world.node('a'),
      await world.node('b'),
      await world.node('c'),
      await world.node('d'),
    ]
    await world.connect('a', 'b')
    await world.connect('b', 'c')
    await world.connect('c', 'd')
    const tookMs = await world.until(() => isClique(nodes), 60_000)
    expect(tookMs).toBeLessThan(10_000)
    expect(nodes.flatMap(({ misbehaved }) => misbehaved)).toEqual([])
  })

  it('makes newcomers of one bootstrap node know each other', async () => {
    world = createWorld()
    const nodes = [await world.node('bootstrap')]
    for (let i = 0; i < 8; i += 1) {
      nodes.push(await world.node(`n${i}`))
      await world.connect(`n${i}`, 'bootstrap')
    }
    expect(await world.until(() => isClique(nodes), 60_000)).toBeLessThan(10_000)
  })

  it('makes a third node known to the first two when it does not ask', async () => {
    world = createWorld()
    await world.node('hub')
    const first = await world.node('first')
    const second = await world.node('second')
    await world.connect('first', 'hub')
    await world.connect('second', 'hub')
    await world.clock.advance(60_000)
    await world.stranger('quiet')
    await world.connect('quiet', 'hub')
    await world.until(
      () => first.host.isConnected('quiet') && second.host.isConnected('quiet'),
      10_000,
    )
  })

  it('asks again when the peer was not ready to answer', async () => {
    world = createWorld()
    const hub = await world.stranger('hub')
    await world.node('other')
    await world.connect('other', 'hub')
    await world.clock.advance(60_000)
    const a = await world.node('a')
    await world.connect('a', 'hub')
    await world.clock.advance(1000)
    const late = new PeerExchange(
      {
        host: hub,
        clock: world.clock,
        random: Math.random,
        log: silentLogger,
        onMisbehaviour: () => undefined,
      },
      { targetPeers: 0 },
    )
    late.start()
    await world.until(() => a.host.isConnected('other'), 10_000)
    await late.stop()
  })

  it('stops dialling at the target', async () => {
    world = createWorld()
    await world.node('hub', 0)
    for (let i = 0; i < 10; i += 1) {
      await world.stranger(`n${i}`)
      await world.connect(`n${i}`, 'hub')
    }
    const a = await world.node('a', 4)
    await world.connect('a', 'hub')
    await world.clock.advance(600_000)
    expect(a.host.peers()).toHaveLength(4)
  })

  it('replaces connections that were lost', async () => {
    world = createWorld()
    await world.node('hub', 0)
    for (let i = 0; i < 6; i += 1) {
      await world.stranger(`n${i}`)
      await world.connect(`n${i}`, 'hub')
    }
    const a = await world.node('a', 4)
    await world.connect('a', 'hub')
    await world.until(() => a.host.peers().length === 4, 10_000)
    const lost = a.host.peers().filter(({ peer }) => peer !== 'hub')
    for (const { peer } of lost.slice(0, 2)) world.network.cut(peer)
    expect(a.host.peers()).toHaveLength(2)
    await world.until(() => a.host.peers().length === 4, 400_000)
  })

  it('gives up on peers that nobody reaches', async () => {
    world = createWorld()
    const a = await world.node('a')
    const liar = await world.stranger('liar')
    await world.connect('liar', 'a')
    const peers = Array.from({ length: 32 }, (_, i) => ({
      peer: `ghost${i}`,
      addresses: [`/memory/ghost${i}`],
    }))
    await within(10_000, talk(liar, 'a', { type: 'peers', peers }))
    await world.clock.advance(1_200_000)
    expect(a.host.peers().map(({ peer }) => peer)).toEqual(['liar'])
    expect(a.misbehaved).toEqual([])
  })

  it('answers with others than the asker, and no more than asked for', async () => {
    world = createWorld()
    await world.node('hub', 0)
    for (let i = 0; i < 40; i += 1) {
      await world.stranger(`n${i}`)
      await world.connect(`n${i}`, 'hub')
    }
    const asker = await world.stranger('asker')
    await world.connect('asker', 'hub')
    const answer = await within(10_000, talk(asker, 'hub', { type: 'ask', max: 32 }))
    const names = (answer?.type === 'peers' ? answer.peers : []).map(({ peer }: KnownPeer) => peer)
    expect(new Set(names).size).toBe(32)
    expect(names).not.toContain('asker')
    expect(names).not.toContain('hub')
    const few = await within(10_000, talk(asker, 'hub', { type: 'ask', max: 3 }))
    expect(few?.type === 'peers' && few.peers).toHaveLength(3)
  })

  it('does not answer one peer again and again', async () => {
    world = createWorld()
    const hub = await world.node('hub', 0)
    const asker = await world.stranger('asker')
    await world.connect('asker', 'hub')
    let refused = 0
    for (let i = 0; i < 10; i += 1) {
      await within(10_000, talk(asker, 'hub', { type: 'ask', max: 32 })).catch(() => {
        refused += 1
      })
    }
    expect(refused).toBe(6)
    expect(hub.misbehaved).toEqual([])
    await world.clock.advance(31_000)
    await within(10_000, talk(asker, 'hub', { type: 'ask', max: 32 }))
  })
})

describe('hostile peers', () => {
  async function attack(bytes: Uint8Array): Promise<string[]> {
    world = createWorld()
    const a = await world.node('a')
    const liar = await world.stranger('liar')
    await world.connect('liar', 'a')
    const stream = await within(1000, liar.open('a', PEER_EXCHANGE_PROTOCOL, { signal }))
    await stream.write(bytes)
    await stream.end()
    await world.clock.advance(1000)
    return a.misbehaved
  }

  const frame = encodeFrame(encodePeerMessage({ type: 'ask', max: 1 }))
  const attacks: Record<string, Uint8Array> = {
    junk: Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    'a frame without end': Buffer.from([0x7f, 0xff, 0xff, 0xff]),
    'two questions': Buffer.concat([frame, frame]),
    'too many peers': Buffer.from([0, 0, 0, 2, 2, 200]),
  }
  for (const [name, bytes] of Object.entries(attacks)) {
    it(`${name} is reported`, async () => {
      const misbehaved = await attack(bytes)
      expect(misbehaved).toHaveLength(1)
      expect(misbehaved[0]).toMatch(/^liar peers: /)
    })
  }

  it('nothing at all is no offence', async () => {
    expect(await attack(new Uint8Array(0))).toEqual([])
  })

  it('too much news is reported', async () => {
    world = createWorld()
    const a = await world.node('a')
    const liar = await world.stranger('liar')
    await world.connect('liar', 'a')
    for (let i = 0; i < 40 && a.misbehaved.length === 0; i += 1) {
      const news = { type: 'peers', peers: [] } as const
      await within(10_000, talk(liar, 'a', news)).catch(() => undefined)
    }
    expect(a.misbehaved).toEqual(['liar peers: too much news'])
  })

  async function answering(respond: (stream: ByteStream) => Promise<void>): Promise<string[]> {
    world = createWorld()
    const a = await world.node('a')
    const liar = await world.stranger('liar')
    const handle = async (stream: ByteStream): Promise<void> => {
      const message = await readMessage(stream, PEER_EXCHANGE.request)
      if (message?.type === 'ask') await respond(stream)
      else await stream.end()
    }
    liar.handle(PEER_EXCHANGE_PROTOCOL, handle, { maxStreamsPerPeer: 8 })
    await world.connect('liar', 'a')
    await world.clock.advance(60_000)
    return [...new Set(a.misbehaved)]
  }

  it('a question for an answer is reported', async () => {
    const misbehaved = await answering(async (stream) => {
      await stream.write(frame)
      await stream.end()
    })
    expect(misbehaved).toEqual(['liar peers: a question for an answer'])
  })

  it('an answer that never comes costs ten seconds and no blame', async () => {
    const misbehaved = await answering(() => new Promise(() => undefined))
    expect(misbehaved).toEqual([])
  })
})
