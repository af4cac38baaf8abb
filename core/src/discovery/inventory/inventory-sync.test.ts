import { afterEach, describe, expect, it } from 'vitest'
import { createFakeClock, type FakeClock } from '../../../../test/support/fake-clock.ts'
import { digestFromBytes, digestOf, digestToBytes, type Digest } from '../../content/digest.ts'
import { digestPrefix } from '../../content/inventory-prefix.ts'
import { nameKeyOf, type NameKey } from '../../content/name-key.ts'
import type { ByteStream, Host, PeerId } from '../../host/host.ts'
import { createMemoryNetwork, type MemoryNetwork } from '../../host/memory-host.ts'
import { silentLogger } from '../../log.ts'
import { encodeFrame } from '../../wire/frames.ts'
import {
  encodeInventoryMessage,
  encodeSnapshot,
  INVENTORY_PROTOCOL,
  type InventoryMessage,
} from '../../wire/inventory-messages.ts'
import { createInventorySync, type InventorySync } from './inventory-sync.ts'
import { createNewcomers } from './newcomers.ts'

const digest = (name: string): Digest => digestOf(Buffer.from(name))
const signal = AbortSignal.timeout(60_000)

interface Node {
  readonly id: PeerId
  readonly host: Host
  readonly sync: InventorySync
  readonly newcomers: () => PeerId[]
  readonly misbehaved: string[]
}

interface World {
  readonly clock: FakeClock
  readonly network: MemoryNetwork
  node(name: string): Promise<Node>
  /** A host that speaks for itself. */
  stranger(name: string): Promise<Host>
  until(condition: () => boolean, maxMs?: number): Promise<number>
  stop(): Promise<void>
}

function createWorld(options: { latencyMs?: number } = {}): World {
  const clock = createFakeClock()
  const network = createMemoryNetwork({ clock, ...options })
  const nodes: Node[] = []
  const hosts: Host[] = []
  return {
    clock,
    network,
    async node(name) {
      const host = network.createHost(name)
      hosts.push(host)
      const misbehaved: string[] = []
      const onMisbehaviour = (peer: PeerId, reason: string): void => {
        misbehaved.push(`${peer} ${reason}`)
      }
      const sync = createInventorySync({
        host,
        clock,
        random: Math.random,
        log: silentLogger,
        onMisbehaviour,
      })
      const newcomers = createNewcomers({ host, clock, hasTold: (peer) => sync.hasTold(peer) })
      await host.start()
      sync.start()
      const node = { id: name, host, sync, newcomers, misbehaved }
      nodes.push(node)
      return node
    },
    async stranger(name) {
      const host = network.createHost(name)
      hosts.push(host)
      await host.start()
      return host
    },
    until: (condition, maxMs = 5000) => clock.advanceUntil(condition, { maxMs, stepMs: 1 }),
    async stop() {
      let isStopped = false
      const stopping = Promise.all(nodes.map(({ sync }) => sync.stop())).then(() => {
        isStopped = true
      })
      await clock.advanceUntil(() => isStopped, { maxMs: 5000 })
      await stopping
      await Promise.all(hosts.map((host) => host.stop()))
      await clock.advance(0)
      expect(clock.sleepers).toBe(0)
    },
  }
}

let world: World
afterEach(async () => {
  await world.stop()
})

async function pair(options?: { latencyMs?: number }): Promise<{ a: Node; b: Node }> {
  world = createWorld(options)
  const a = await world.node('a')
  const b = await world.node('b')
  const connecting = a.host.connect('b', { signal })
  await world.until(() => a.host.isConnected('b'))
  await connecting
  return { a, b }
}

const both = ({ a, b }: { a: Node; b: Node }): boolean =>
  a.sync.inventories === 1 && b.sync.inventories === 1

describe('inventories', () => {
  it('tells a peer that connects what is held already', async () => {
    world = createWorld()
    const a = await world.node('a')
    const b = await world.node('b')
    for (let i = 0; i < 20_000; i += 1) a.sync.announce(digest(`a${i}`))
    b.sync.announce(digest('b'))
    await a.host.connect('b', { signal })
    await world.until(() => both({ a, b }))
    expect(b.sync.countsOf('a').artifacts).toBe(20_000)
    expect(b.sync.holders(digest('a19999'))).toEqual(['a'])
    expect(b.sync.holders(digest('nobody'))).toEqual([])
    expect(a.sync.holders(digest('b'))).toEqual(['b'])
    expect(a.sync.holders(digest('a0'))).toEqual([])
  })

  it('has those who are here and have not told asked for what nobody lists, until they have', async () => {
    world = createWorld({ latencyMs: 10 })
    const b = await world.stranger('b')
    const early = await world.stranger('early')
    const connecting = early.connect('b', { signal })
    await world.until(() => b.isConnected('early'))
    await connecting
    // It was there before anything of discovery was.
    const { clock } = world
    const hasTold = (): boolean => false
    expect(createNewcomers({ host: b, clock, hasTold })()).toEqual(['early'])

    const a = await world.node('a')
    const c = await world.node('c')
    const meeting = c.host.connect('a', { signal })
    await world.until(() => a.host.isConnected('c'))
    expect(a.newcomers()).toEqual(['c'])
    await world.until(() => a.sync.inventories === 1)
    await meeting
    expect(a.newcomers()).toEqual([])
  })

  it('has nobody asked for longer than five seconds in five minutes from one address that tells nothing', async () => {
    world = createWorld()
    const { clock } = world
    const at = (group: string, peer: string) =>
      ({
        peer,
        group,
        address: '',
        direction: 'inbound',
        transport: 'memory',
        connectedAtMs: 0,
      }) as const
    let here = [at('1.2.3.4', 'x1'), at('1.2.3.4', 'x2')]
    const newcomers = createNewcomers({ host: { peers: () => here }, clock, hasTold: () => false })
    expect(newcomers()).toEqual(['x1', 'x2'])
    await clock.advance(4_999)
    // Connecting again, under whatever id, brings no time.
    here = [at('1.2.3.4', 'x3')]
    expect(newcomers()).toEqual(['x3'])
    await clock.advance(1)
    expect(newcomers()).toEqual([])
    here = [at('1.2.3.4', 'x4'), at('5.6.7.8', 'honest')]
    expect(newcomers()).toEqual(['honest'])
    await clock.advance(294_999)
    expect(newcomers()).toEqual([])
    await clock.advance(1)
    expect(newcomers()).toEqual(['x4'])
    here = Array.from({ length: 100 }, (_, index) => at(`2.2.2.${index}`, `y${index}`))
    expect(newcomers()).toHaveLength(8)
  })

  it('shows what was just announced to a connected peer within 50 ms', async () => {
    const { a, b } = await pair({ latencyMs: 1 })
    await world.until(() => both({ a, b }))
    await world.clock.advance(10_000)
    for (let i = 0; i < 20; i += 1) {
      a.sync.announce(digest(`new${i}`))
      const tookMs = await world.until(() => b.sync.holders(digest(`new${i}`)).length > 0)
      expect(tookMs).toBeLessThanOrEqual(50)
    }
  })

  it('takes back what was withdrawn', async () => {
    const { a, b } = await pair()
    a.sync.announce(digest('x'))
    a.sync.announce(digest('y'))
    await world.until(() => b.sync.holders(digest('x')).length > 0)
    a.sync.withdraw(digest('x'))
    await world.until(() => b.sync.holders(digest('x')).length === 0)
    expect(b.sync.holders(digest('y'))).toEqual(['a'])
  })

  it('keeps listing a prefix while another digest that begins alike is held', async () => {
    const { a, b } = await pair()
    const one = digest('one')
    const bytes = digestToBytes(one)
    bytes[60] = (bytes[60] ?? 0) ^ 1
    const twin = digestFromBytes(bytes)
    a.sync.announce(one)
    a.sync.announce(twin)
    await world.until(() => b.sync.countsOf('a').artifacts === 1)
    a.sync.withdraw(one)
    a.sync.announce(digest('later'))
    await world.until(() => b.sync.countsOf('a').artifacts === 2)
    expect(b.sync.holders(twin)).toEqual(['a'])
    a.sync.withdraw(twin)
    await world.until(() => b.sync.holders(twin).length === 0)
  })

  it('moves a hundred thousand changes without being taken for an attack', async () => {
    const { a, b } = await pair()
    await world.until(() => both({ a, b }))
    const digests = Array.from({ length: 100_000 }, (_, i) => digest(`${i}`))
    for (const one of digests) a.sync.announce(one)
    // A few of so many begin alike.
    await world.until(() => b.sync.countsOf('a').artifacts > 99_900, 10_000)
    for (const one of digests) a.sync.withdraw(one)
    a.sync.announce(digest('fresh'))
    const tookMs = await world.until(() => b.sync.holders(digest('fresh')).length > 0)
    expect(tookMs).toBeLessThanOrEqual(250)
    await world.until(() => b.sync.countsOf('a').artifacts === 1, 10_000)
    expect(b.misbehaved).toEqual([])
  })

  it('forgets a peer when it disconnects, and learns it anew', async () => {
    const { a, b } = await pair()
    a.sync.announce(digest('x'))
    await world.until(() => b.sync.countsOf('a').artifacts === 1)
    world.network.dropConnection('a', 'b')
    expect(b.sync.holders(digest('x'))).toEqual([])
    expect(b.sync.inventories).toBe(0)
    a.sync.announce(digest('y'))
    await a.host.connect('b', { signal })
    await world.until(() => b.sync.countsOf('a').artifacts === 2)
  })

  it('stays in use through hours of silence, by a sign of life every ten minutes', async () => {
    const { a, b } = await pair()
    await world.until(() => both({ a, b }))
    const quiet: number[] = []
    for (let i = 0; i < 60; i += 1) {
      await world.clock.advance(60_000)
      quiet.push(b.sync.inventories)
    }
    expect(quiet).toEqual(quiet.map(() => 1))
    const peer = await world.stranger('c')
    let signs = 0
    const listen = async ({ source }: ByteStream): Promise<void> => {
      for await (const bytes of source) signs += bytes.byteLength > 0 ? 1 : 0
    }
    peer.handle(INVENTORY_PROTOCOL, listen, { maxStreamsPerPeer: 1 })
    await peer.connect('a', { signal })
    await world.until(() => signs > 0)
    await world.clock.advance(1000)
    signs = 0
    await world.clock.advance(3_600_000)
    expect(signs).toBe(6)
    a.sync.announce(digest('x'))
    expect(await world.until(() => b.sync.countsOf('a').artifacts === 1)).toBeLessThanOrEqual(50)
  })

  it('forgets a list at once when its owner stops telling', async () => {
    const { a, b } = await pair()
    a.sync.announce(digest('x'))
    await world.until(() => b.sync.countsOf('a').artifacts === 1)
    await a.sync.stop()
    await world.until(() => b.sync.inventories === 0, 100)
    expect(b.misbehaved).toEqual([])
  })

  it('can be stopped and started again', async () => {
    const { a, b } = await pair()
    a.sync.announce(digest('x'))
    await a.sync.stop()
    a.sync.start()
    await world.until(() => b.sync.countsOf('a').artifacts === 1)
    await world.until(() => a.sync.inventories === 1, 10_000)
  })

  it('leaves a peer alone that does not speak the protocol', async () => {
    world = createWorld()
    const a = await world.node('a')
    const other = await world.stranger('other')
    await other.connect('a', { signal })
    await world.clock.advance(3_600_000)
    expect(a.sync.inventories).toBe(0)
    expect(a.misbehaved).toEqual([])
  })
})

describe('broken streams', () => {
  it('are opened again with a new snapshot, while the old list stays in use', async () => {
    world = createWorld()
    const a = await world.node('a')
    const b = await world.stranger('b')
    const streams: ByteStream[] = []
    const received: number[] = []
    b.handle(
      INVENTORY_PROTOCOL,
      async (stream) => {
        streams.push(stream)
        let bytes = 0
        const index = received.push(0) - 1
        for await (const some of stream.source) received[index] = bytes += some.byteLength
      },
      { maxStreamsPerPeer: 2 },
    )
    a.sync.announce(digest('x'))
    await a.host.connect('b', { signal })
    await world.until(() => (received[0] ?? 0) > 0)
    streams[0]?.abort(new Error('broken'))
    await world.until(() => (received[1] ?? 0) > 0)
    expect(received[1]).toBe(received[0])
    // Backs off: within ten minutes of breaking at once there are few attempts.
    for (let i = 0; i < 600; i += 1) {
      streams.at(-1)?.abort(new Error('broken'))
      await world.clock.advance(1000)
    }
    expect(streams.length).toBeLessThan(25)
    expect(a.misbehaved).toEqual([])
  })

  it('leave the list in use for a while', async () => {
    world = createWorld()
    const a = await world.node('a')
    const b = await world.stranger('b')
    const prefix = digestPrefix(digest('x'))
    await b.connect('a', { signal })
    const stream = await b.open('a', INVENTORY_PROTOCOL, { signal })
    for (const frame of encodeSnapshot(Uint32Array.of(1, prefix))) await stream.write(frame)
    await world.until(() => a.sync.countsOf('b').artifacts === 2)
    const isHolder = (): boolean => a.sync.holders(digest('x')).includes('b')
    stream.abort(new Error('broken'))
    await world.clock.advance(10_000)
    expect(a.sync.countsOf('b').artifacts).toBe(2)
    expect(isHolder()).toBe(true)
    const again = await b.open('a', INVENTORY_PROTOCOL, { signal })
    await again.write(encodeInventoryMessage({ type: 'snapshot', count: 1 }))
    await world.clock.advance(10)
    expect(a.sync.countsOf('b').artifacts).toBe(2)
    again.abort(new Error('broken'))
    await world.clock.advance(31_000)
    expect(a.sync.countsOf('b').artifacts).toBe(0)
    expect(a.sync.inventories).toBe(0)
    expect(isHolder()).toBe(false)
    expect(a.misbehaved).toEqual([])
  })

  it('end a stream whose reader falls too far behind, before anything piles up', async () => {
    world = createWorld()
    const a = await world.node('a')
    const b = await world.stranger('b')
    let opened = 0
    const listen = async (stream: ByteStream): Promise<void> => {
      opened += 1
      for await (const bytes of stream.source) expect(bytes.byteLength).toBeGreaterThan(0)
    }
    b.handle(INVENTORY_PROTOCOL, listen, { maxStreamsPerPeer: 2 })
    await b.connect('a', { signal })
    await world.until(() => opened === 1)
    await world.clock.advance(100)
    world.network.silence('a')
    const digests = Array.from({ length: 4096 }, (_, i) => digest(`${i}`))
    // Well below the minute after which a write that is not taken ends the stream.
    for (let waitedMs = 0; waitedMs < 40_000 && opened < 2; waitedMs += 210) {
      for (const one of digests) {
        if ((waitedMs / 210) % 2 === 0) a.sync.announce(one)
        else a.sync.withdraw(one)
      }
      await world.clock.advance(210)
    }
    expect(opened).toBe(2)
  })

  it('end a stream on which a write is not taken for a minute', async () => {
    world = createWorld()
    const [a, b] = [await world.node('a'), await world.node('b')]
    const open = a.host.open.bind(a.host)
    const streams: ByteStream[] = []
    Object.assign(a.host, {
      open: async (...args: Parameters<Host['open']>) => {
        const stream = await open(...args)
        streams.push(stream)
        return stream
      },
    })
    await a.host.connect('b', { signal })
    await world.until(() => both({ a, b }))
    const [stream] = streams
    if (stream === undefined) throw new Error('no stream')
    const abort = stream.abort.bind(stream)
    const taken = Promise.withResolvers<void>()
    let isReset = false
    Object.assign(stream, {
      write: () => taken.promise,
      abort(reason: Error) {
        isReset = true
        taken.reject(reason)
        abort(reason)
      },
    })
    a.sync.announce(digest('one'))
    await world.clock.advance(59_000)
    expect(isReset).toBe(false)
    await world.clock.advance(2_000)
    expect(isReset).toBe(true)
  })

  it('cost nothing but their stream when a peer does not read', async () => {
    world = createWorld()
    const a = await world.node('a')
    const b = await world.node('b')
    await a.host.connect('b', { signal })
    await world.until(() => both({ a, b }))
    // Nothing of what a says arrives from now on, so its writes are not taken.
    world.network.silence('a')
    for (let i = 0; i < 200_000; i += 1) a.sync.announce(digest(`${i}`))
    await world.clock.advance(600_000)
    world.network.unsilence('a')
    await world.until(() => b.sync.countsOf('a').artifacts > 199_800, 200_000)
    expect(b.misbehaved).toEqual([])
  })
})

describe('hostile tellers', () => {
  async function hostile(): Promise<{ a: Node; stream: ByteStream; isReset: () => boolean }> {
    world = createWorld()
    const a = await world.node('a')
    const liar = await world.stranger('liar')
    await liar.connect('a', { signal })
    const stream = await liar.open('a', INVENTORY_PROTOCOL, { signal })
    let isReset = false
    void (async () => {
      for await (const bytes of stream.source) expect(bytes.byteLength).toBe(0)
    })().catch(() => {
      isReset = true
    })
    return { a, stream, isReset: () => isReset }
  }
  const frame = (message: InventoryMessage): Uint8Array => encodeInventoryMessage(message)
  const empty = [frame({ type: 'snapshot', count: 0 }), frame({ type: 'end' })]
  const some = (...values: number[]): Uint32Array<ArrayBuffer> => Uint32Array.from(values)

  const attacks: Record<string, () => Uint8Array[]> = {
    'too many prefixes': () => [frame({ type: 'snapshot', count: 2_000_001 })],
    'an unsorted snapshot': () => [
      frame({ type: 'snapshot', count: 2 }),
      frame({ type: 'part', prefixes: some(2, 1) }),
    ],
    junk: () => [Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    'a frame without end': () => [Buffer.from([0xff, 0xff, 0xff, 0xff, 1, 2, 3])],
    'an empty frame': () => [Buffer.alloc(4)],
    'a message of unknown type': () => [encodeFrame(Uint8Array.of(77))],
    'endless frames': () => {
      const prefixes = Uint32Array.from({ length: 4096 }, (_, i) => i)
      return [...empty, ...Array.from({ length: 100 }, () => frame({ type: 'have', prefixes }))]
    },
    'endless signs of life': () => [
      ...empty,
      Buffer.concat(Array.from({ length: 250_000 }, () => frame({ type: 'alive' }))),
    ],
  }
  for (const [name, bytes] of Object.entries(attacks)) {
    it(`${name}: the stream is reset, the peer reported once and not heard again`, async () => {
      const { a, stream, isReset } = await hostile()
      const writing = (async () => {
        for (const piece of bytes()) await stream.write(piece)
      })().catch(() => undefined)
      await world.until(isReset)
      await writing
      expect(a.misbehaved).toHaveLength(1)
      expect(a.misbehaved[0]).toMatch(/^liar inventory: /)
      expect(a.sync.inventories).toBe(0)
      await world.clock.advance(10_000)
      expect(a.misbehaved).toHaveLength(1)
    })
  }

  it('a stall in the middle of a snapshot is noticed', async () => {
    const { a, stream, isReset } = await hostile()
    await stream.write(frame({ type: 'snapshot', count: 100 }))
    await stream.write(frame({ type: 'part', prefixes: some(1) }))
    await world.clock.advance(20_000)
    expect(isReset()).toBe(false)
    await world.clock.advance(20_000)
    expect(isReset()).toBe(true)
    expect(a.misbehaved).toEqual(['liar inventory: snapshot stalled'])
  })

  it('a snapshot dripped byte by byte is noticed', async () => {
    const { a, stream, isReset } = await hostile()
    await stream.write(frame({ type: 'snapshot', count: 1_000_000 }))
    const drip = frame({ type: 'part', prefixes: some(1) })
    for (let i = 0; i < 300 && !isReset(); i += 1) {
      await stream.write(drip.subarray(i % drip.length, (i % drip.length) + 1))
      await world.clock.advance(1000)
    }
    expect(isReset()).toBe(true)
    expect(a.misbehaved).toHaveLength(1)
  })

  it('silence after the snapshot ends the stream without blame', async () => {
    const { a, stream, isReset } = await hostile()
    for (const piece of empty) await stream.write(piece)
    await world.clock.advance(899_000)
    expect(isReset()).toBe(false)
    await world.clock.advance(2000)
    expect(isReset()).toBe(true)
    expect(a.misbehaved).toEqual([])
  })

  it('opening the stream again and again is noticed', async () => {
    world = createWorld()
    const a = await world.node('a')
    const other = await world.stranger('other')
    await other.connect('a', { signal })
    for (let i = 0; i < 20; i += 1) {
      const stream = await other.open('a', INVENTORY_PROTOCOL, { signal })
      await stream.write(Buffer.concat(empty))
      await world.clock.advance(10)
    }
    expect(a.misbehaved).toEqual(['other inventory: opened again too often'])
  })

  it('a listener that talks back is reported', async () => {
    world = createWorld()
    const a = await world.node('a')
    const liar = await world.stranger('liar')
    liar.handle(INVENTORY_PROTOCOL, (stream) => stream.write(Buffer.from('psst')), {
      maxStreamsPerPeer: 1,
    })
    await liar.connect('a', { signal })
    await world.until(() => a.misbehaved.length > 0)
    expect(a.misbehaved[0]).toMatch(/^liar inventory: spoke/)
  })
})

describe('names', () => {
  const key = (version: string): NameKey =>
    nameKeyOf({ registry: 'http://registry.example/', name: 'a', version })

  it('are listed beside artifacts, counted apart, and taken back', async () => {
    const { a, b } = await pair()
    a.sync.announce(digest('x'))
    a.sync.announceName(key('1.0.0'))
    a.sync.announceName(key('2.0.0'))
    await world.until(() => b.sync.countsOf('a').names === 2)
    expect(b.sync.countsOf('a')).toEqual({ artifacts: 1, names: 2 })
    expect(b.sync.nameHolders(key('1.0.0'))).toEqual(['a'])
    expect(b.sync.nameHolders(key('3.0.0'))).toEqual([])
    a.sync.withdrawName(key('1.0.0'))
    await world.until(() => b.sync.nameHolders(key('1.0.0')).length === 0)
    expect(b.sync.countsOf('a')).toEqual({ artifacts: 1, names: 1 })
  })
})
