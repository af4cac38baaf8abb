/** What every Host does with streams between two peers. Run from host.test.ts on each implementation. */
import { createHash, randomBytes } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import { describe, expect, it } from 'vitest'
import type { ByteStream } from '../../core/src/host/host.ts'
import {
  ECHO,
  SINK,
  HOLD,
  createHosts,
  deadline,
  isCode,
  addressOf,
  handleEcho,
  echo,
  openAndWrite,
  streamOf,
  collect,
  drain,
  eventOf,
  type HostWorld,
} from './host-pairs.ts'

export function hostStreamsContract(name: string, createWorld: () => HostWorld): void {
  describe(`Host: ${name}: streams`, () => {
    const { pair, connected } = createHosts(createWorld)

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
      // Asked at once: a host with too few peers connects again.
      const seen: boolean[] = []
      b.onEvent(({ type, peer }) => {
        if (type === 'disconnected' && peer === a.id) seen.push(b.isConnected(peer))
      })
      await a.disconnect(b.id)
      expect(a.isConnected(b.id)).toBe(false)
      for (const reading of await readings) {
        if (reading.status === 'fulfilled') throw new Error('a lost stream seemed complete')
        expect(reading.reason).toSatisfy(isCode('PEER_UNREACHABLE'))
      }
      await lost
      expect(seen[0]).toBe(false)
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
        // Far more than the transports hold between here and there.
        const enough = world.maxInboundBytes + 128 * 1024 * 1024
        for (let sent = 0; sent < enough; sent += part.byteLength) {
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
  })
}
