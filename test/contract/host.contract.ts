/**
 * What every Host must do, whatever carries its streams. Run on the in-memory host and on libp2p over loopback QUIC and TCP
 * (host.test.ts).
 */
import { createHash, randomBytes } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import { afterEach, describe, expect, it } from 'vitest'
import { isCatalogError } from '../../core/src/errors.ts'
import type { ByteStream, Host, HostEvent, PeerId } from '../../core/src/host/host.ts'

const ECHO = '/catalog-test/echo/1'
const SINK = '/catalog-test/sink/1'
const HOLD = '/catalog-test/hold/1'
const DEADLINE_MS = 15_000

export interface HostWorld {
  /** A host that is not started. Hosts of one world can reach each other. */
  createHost(): Host
  readonly transport: string
  readonly maxInboundBytes: number
}

export function describeHost(name: string, createWorld: () => HostWorld): void {
  describe(`Host: ${name}`, () => {
    const started: Host[] = []
    const deadline = (): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(DEADLINE_MS) })

    async function hosts(count: number): Promise<{ world: HostWorld; all: Host[] }> {
      const world = createWorld()
      const all = Array.from({ length: count }, () => world.createHost())
      for (const host of all) {
        started.push(host)
        await host.start()
      }
      return { world, all }
    }

    async function pair(): Promise<{ world: HostWorld; a: Host; b: Host }> {
      const { world, all } = await hosts(2)
      const [a, b] = all as [Host, Host]
      return { world, a, b }
    }

    async function connected(): Promise<{ world: HostWorld; a: Host; b: Host }> {
      const { world, a, b } = await pair()
      const seen = eventOf(b, 'connected', a.id)
      await a.connect(addressOf(b), deadline())
      await seen
      return { world, a, b }
    }

    afterEach(async () => {
      for (const host of started.splice(0)) await host.stop()
    })

    it('connects to a multiaddr and tells both sides', async () => {
      const { world, a, b } = await pair()
      const seenByA = eventOf(a, 'connected', b.id)
      const seenByB = eventOf(b, 'connected', a.id)
      expect(await a.connect(addressOf(b), deadline())).toBe(b.id)
      await Promise.all([seenByA, seenByB])
      expect(a.isConnected(b.id)).toBe(true)
      expect(b.isConnected(a.id)).toBe(true)
      expect(a.peers()).toMatchObject([
        { peer: b.id, direction: 'outbound', transport: world.transport },
      ])
      expect(b.peers()).toMatchObject([{ peer: a.id, direction: 'inbound' }])
    })

    it('announces addresses that end in its peer id', async () => {
      const { all } = await hosts(1)
      const [host] = all as [Host]
      expect(host.addresses().length).toBeGreaterThan(0)
      for (const address of host.addresses()) expect(address.endsWith(`/${host.id}`)).toBe(true)
    })

    it('connects by peer id once it has learned addresses', async () => {
      const { a, b } = await pair()
      await a.learnAddresses(b.id, b.addresses())
      expect(await a.connect(b.id, deadline())).toBe(b.id)
    })

    it('connects once for many callers, and for both directions at once', async () => {
      const { a, b } = await pair()
      let announced = 0
      a.onEvent((event) => (announced += Number(event.type === 'connected')))
      await Promise.all([
        ...Array.from({ length: 5 }, () => a.connect(addressOf(b), deadline())),
        b.connect(addressOf(a), deadline()),
      ])
      expect(a.peers().map(({ peer }) => peer)).toEqual([b.id])
      expect(announced).toBe(1)
      handleEcho(b)
      handleEcho(a)
      expect(await echo(a, b.id, randomBytes(1000))).toBe(true)
      expect(await echo(b, a.id, randomBytes(1000))).toBe(true)
    })

    it('answers a peer that is not there with PEER_UNREACHABLE', async () => {
      const { a, b } = await pair()
      const address = addressOf(b)
      await b.stop()
      await expect(a.connect(address, deadline())).rejects.toSatisfy(isCode('PEER_UNREACHABLE'))
    })

    it('rejects with the reason of an aborted signal, untouched', async () => {
      const { a, b } = await pair()
      const reason = new Error('changed my mind')
      const aborted = AbortSignal.abort(reason)
      await expect(a.connect(addressOf(b), { signal: aborted })).rejects.toBe(reason)
      await a.connect(addressOf(b), deadline())
      await expect(a.open(b.id, ECHO, { signal: aborted })).rejects.toBe(reason)
    })

    it('echoes over a stream', async () => {
      const { a, b } = await connected()
      handleEcho(b)
      expect(await echo(a, b.id, randomBytes(10_000))).toBe(true)
    })

    it('lets the side that is asked open streams too', async () => {
      const { a, b } = await connected()
      handleEcho(a)
      expect(await echo(b, a.id, randomBytes(10_000))).toBe(true)
    })

    it('lets both sides open a stream as soon as they hear of each other', async () => {
      const { a, b } = await pair()
      const worked: Promise<boolean>[] = []
      for (const host of [a, b]) {
        handleEcho(host)
        host.onEvent(({ type, peer }) => {
          if (type === 'connected') worked.push(echo(host, peer, randomBytes(1000)))
        })
      }
      const seen = [eventOf(a, 'connected', b.id), eventOf(b, 'connected', a.id)]
      await a.connect(addressOf(b), deadline())
      await Promise.all(seen)
      expect(await Promise.all(worked)).toEqual([true, true])
    })

    it('knows the peer and the protocol at both ends', async () => {
      const { a, b } = await connected()
      const arrived = streamOf(b, HOLD)
      const local = await a.open(b.id, HOLD, deadline())
      await local.write(Buffer.from('hello'))
      const remote = await arrived
      expect(local).toMatchObject({ peer: b.id, protocol: HOLD })
      expect(remote).toMatchObject({ peer: a.id, protocol: HOLD })
    })

    it('answers an unknown protocol with PEER_REFUSED', async () => {
      const { a, b } = await connected()
      await expect(a.open(b.id, '/catalog-test/unknown/1', deadline())).rejects.toSatisfy(
        isCode('PEER_REFUSED'),
      )
    })

    it('answers after the asking side has ended its own', async () => {
      const { a, b } = await connected()
      b.handle(
        SINK,
        async (stream) => {
          const received = await collect(stream)
          await stream.write(Buffer.from(`${received.byteLength}`))
          await stream.end()
        },
        { maxStreamsPerPeer: 1 },
      )
      const stream = await a.open(b.id, SINK, deadline())
      await stream.write(randomBytes(70_000))
      await stream.end()
      expect((await collect(stream)).toString()).toBe('70000')
    })

    it('keeps an answer for a reader who comes late', async () => {
      const { a, b } = await connected()
      const answered = Promise.withResolvers<void>()
      b.handle(
        SINK,
        async (stream) => {
          await stream.write(Buffer.from('early'))
          await stream.end()
          answered.resolve()
        },
        { maxStreamsPerPeer: 1 },
      )
      const stream = await a.open(b.id, SINK, deadline())
      await stream.end()
      await answered.promise
      expect((await collect(stream)).toString()).toBe('early')
    })

    it('shows an abort to the remote as a failure, never as an end', async () => {
      const { a, b } = await connected()
      const arrived = streamOf(b, HOLD)
      const local = await a.open(b.id, HOLD, deadline())
      await local.write(Buffer.from('some bytes'))
      const remote = await arrived
      const reading = drain(remote)
      const reason = new Error('no more')
      local.abort(reason)
      await expect(reading).rejects.toSatisfy(isCode('PEER_UNREACHABLE'))
      await expect(drain(local)).rejects.toBe(reason)
      await expect(local.write(Buffer.from('x'))).rejects.toBe(reason)
    })

    it('shows a lost connection as a failure of its streams, never as an end', async () => {
      const { a, b } = await connected()
      const arrived = streamOf(b, HOLD)
      const local = await a.open(b.id, HOLD, deadline())
      await local.write(Buffer.from('some bytes'))
      const remote = await arrived
      const readings = Promise.allSettled([drain(local), drain(remote)])
      const lost = eventOf(b, 'disconnected', a.id)
      await a.disconnect(b.id)
      for (const reading of await readings) {
        if (reading.status === 'fulfilled') throw new Error('a lost stream seemed complete')
        expect(reading.reason).toSatisfy(isCode('PEER_UNREACHABLE'))
      }
      await lost
      expect(b.isConnected(a.id)).toBe(false)
      expect(a.isConnected(b.id)).toBe(false)
    })

    it('aborts the stream of a handler that throws', async () => {
      const { a, b } = await connected()
      b.handle(SINK, () => Promise.reject(new Error('a bug')), { maxStreamsPerPeer: 1 })
      // A reset may overtake the answer that opens the stream.
      const used = (async () => drain(await a.open(b.id, SINK, deadline())))()
      await expect(used).rejects.toSatisfy(isCode('PEER_UNREACHABLE'))
    })

    it('carries many streams at once', async () => {
      const { a, b } = await connected()
      handleEcho(b, 100)
      const results = await Promise.all(
        Array.from({ length: 64 }, (_, index) => echo(a, b.id, randomBytes(1000 + index))),
      )
      expect(results.every(Boolean)).toBe(true)
    })

    it('carries 16 MiB unchanged, in writes of odd sizes', async () => {
      const { a, b } = await connected()
      const bytes = randomBytes(16 * 1024 * 1024)
      const hashed = Promise.withResolvers<string>()
      b.handle(
        SINK,
        async (stream) => {
          const hash = createHash('sha256')
          for await (const part of stream.source) hash.update(part)
          hashed.resolve(hash.digest('hex'))
          await stream.end()
        },
        { maxStreamsPerPeer: 1 },
      )
      const stream = await a.open(b.id, SINK, deadline())
      for (let offset = 0, size = 1; offset < bytes.byteLength; offset += size) {
        size = (size * 7 + 13) % 200_000 || 1
        await stream.write(bytes.subarray(offset, offset + size))
      }
      await stream.end()
      expect(await hashed.promise).toBe(createHash('sha256').update(bytes).digest('hex'))
    })

    it('carries thousands of small writes in order', async () => {
      const { a, b } = await connected()
      handleEcho(b)
      const stream = await a.open(b.id, ECHO, deadline())
      const collected = collect(stream)
      const parts = Array.from({ length: 5000 }, (_, index) => Buffer.from(`${index},`))
      for (const part of parts) await stream.write(part)
      await stream.end()
      expect((await collected).equals(Buffer.concat(parts))).toBe(true)
    })

    it('aborts a stream whose reader falls too far behind', async () => {
      const { world, a, b } = await connected()
      const arrived = streamOf(b, HOLD)
      const local = await a.open(b.id, HOLD, deadline())
      const part = randomBytes(256 * 1024)
      const flooding = (async () => {
        for (let sent = 0; sent < 4 * world.maxInboundBytes; sent += part.byteLength) {
          await local.write(part)
        }
      })()
      await expect(flooding).rejects.toSatisfy(isCode('PEER_UNREACHABLE'))
      const remote = await arrived
      await expect(drain(remote)).rejects.toSatisfy(isCode('PEER_MISBEHAVED'))
    })

    it('resets streams above the limit of one peer, and takes new ones when old ones end', async () => {
      const { a, b } = await connected()
      const arrived: ByteStream[] = []
      const arrivals = new EventEmitter()
      b.handle(
        HOLD,
        (stream) => {
          arrived.push(stream)
          arrivals.emit('stream')
        },
        { maxStreamsPerPeer: 2 },
      )
      const first = await openAndWrite(a, b.id, HOLD)
      const second = await openAndWrite(a, b.id, HOLD)
      while (arrived.length < 2) await once(arrivals, 'stream', deadline())
      const refused = (async () => drain(await openAndWrite(a, b.id, HOLD)))()
      await expect(refused).rejects.toSatisfy(
        (error) => isCode('PEER_UNREACHABLE')(error) || isCode('PEER_REFUSED')(error),
      )
      expect(arrived).toHaveLength(2)
      const firstGone = drain(arrived[0] as ByteStream)
      first.abort(new Error('done'))
      await expect(firstGone).rejects.toSatisfy(isCode('PEER_UNREACHABLE'))
      const again = once(arrivals, 'stream', deadline())
      await openAndWrite(a, b.id, HOLD)
      await again
      second.abort(new Error('done'))
    })

    it('tells of a peer that stops, and says nothing more of it', async () => {
      const { a, b } = await connected()
      const lost = eventOf(a, 'disconnected', b.id)
      await b.stop()
      await lost
      expect(a.isConnected(b.id)).toBe(false)
      expect(a.peers()).toEqual([])
    })

    it('fails its own streams with NODE_STOPPED when it stops', async () => {
      const { a, b } = await connected()
      void streamOf(b, HOLD)
      const stream = await openAndWrite(a, b.id, HOLD)
      const reading = drain(stream)
      const lost = eventOf(a, 'disconnected', b.id)
      const stopping = a.stop()
      await expect(reading).rejects.toSatisfy(isCode('NODE_STOPPED'))
      await stopping
      await lost
      expect(a.peers()).toEqual([])
      await expect(a.connect(addressOf(b), deadline())).rejects.toSatisfy(isCode('NODE_STOPPED'))
    })

    it('can be stopped twice, and stopped without a start', async () => {
      const world = createWorld()
      const host = world.createHost()
      await host.stop()
      await host.start()
      await host.stop()
      await host.stop()
    })

    it('can be stopped while it starts, and started again', async () => {
      const { a } = await pair()
      const host = createWorld().createHost()
      started.push(host)
      const starting = host.start()
      await host.stop()
      await starting
      expect(host.addresses()).toEqual([])
      await a.stop()
      await a.start()
      expect(a.addresses().length).toBeGreaterThan(0)
    })

    it('refuses to dial a denied peer', async () => {
      const { a, b } = await pair()
      a.setGate((peer) => peer === b.id)
      await expect(a.connect(addressOf(b), deadline())).rejects.toSatisfy(isCode('PEER_REFUSED'))
    })

    it('lets no denied peer in', async () => {
      const { a, b } = await pair()
      handleEcho(b)
      b.setGate((peer) => peer === a.id)
      const used = (async () => {
        await a.connect(addressOf(b), deadline())
        return drain(await openAndWrite(a, b.id, ECHO))
      })()
      await expect(used).rejects.toSatisfy(isCatalogError)
      expect(b.isConnected(a.id)).toBe(false)
    })

    it('disconnects a peer when it is denied', async () => {
      const { a, b } = await connected()
      const lost = eventOf(a, 'disconnected', b.id)
      b.setGate((peer) => peer === a.id)
      await lost
      expect(b.isConnected(a.id)).toBe(false)
    })

    it('asks the gate for each stream too', async () => {
      const { a, b } = await pair()
      const denied = new Set<PeerId>()
      b.setGate((peer) => denied.has(peer))
      handleEcho(b)
      await a.connect(addressOf(b), deadline())
      denied.add(a.id)
      await expect((async () => drain(await openAndWrite(a, b.id, ECHO)))()).rejects.toSatisfy(
        isCatalogError,
      )
    })

    it('stops telling a listener that has left', async () => {
      const { a, b } = await pair()
      const events: HostEvent[] = []
      const leave = a.onEvent((event) => events.push(event))
      leave()
      await a.connect(addressOf(b), deadline())
      expect(events).toEqual([])
    })
  })

  function isCode(code: Parameters<typeof isCatalogError>[1]): (error: unknown) => boolean {
    return (error) => isCatalogError(error, code)
  }

  function addressOf(host: Host): string {
    const [address] = host.addresses()
    if (address === undefined) throw new Error('the host has no address')
    return address
  }

  function handleEcho(host: Host, maxStreamsPerPeer = 8): void {
    host.handle(
      ECHO,
      async (stream) => {
        for await (const bytes of stream.source) await stream.write(bytes)
        await stream.end()
      },
      { maxStreamsPerPeer },
    )
  }

  async function echo(host: Host, peer: PeerId, bytes: Buffer): Promise<boolean> {
    const stream = await host.open(peer, ECHO, { signal: AbortSignal.timeout(DEADLINE_MS) })
    const collected = collect(stream)
    await stream.write(bytes)
    await stream.end()
    return (await collected).equals(bytes)
  }

  /** A peer learns of a stream with its first bytes. */
  async function openAndWrite(host: Host, peer: PeerId, protocol: string): Promise<ByteStream> {
    const stream = await host.open(peer, protocol, { signal: AbortSignal.timeout(DEADLINE_MS) })
    await stream.write(Buffer.from('hello'))
    return stream
  }

  /** The next stream of a protocol; nobody reads or answers it. */
  function streamOf(host: Host, protocol: string): Promise<ByteStream> {
    return new Promise((resolve) => {
      host.handle(protocol, (stream) => resolve(stream), { maxStreamsPerPeer: 8 })
    })
  }

  async function collect(stream: ByteStream): Promise<Buffer> {
    const parts: Uint8Array[] = []
    for await (const part of stream.source) parts.push(part)
    return Buffer.concat(parts)
  }

  async function drain(stream: ByteStream): Promise<void> {
    for await (const part of stream.source) void part
  }

  function eventOf(host: Host, type: HostEvent['type'], peer: PeerId): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        leave()
        reject(new Error(`no ${type} event within ${DEADLINE_MS} ms`))
      }, DEADLINE_MS)
      const leave = host.onEvent((event) => {
        if (event.type !== type || event.peer !== peer) return
        clearTimeout(timer)
        leave()
        resolve()
      })
    })
  }
}
