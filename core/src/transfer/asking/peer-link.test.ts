import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { blob } from '../../../../test/support/blobs.ts'
import { answering, serving } from '../../../../test/support/hostile-peer.ts'
import { until } from '../../../../test/support/until.ts'
import { systemClock } from '../../timing/clock.ts'
import { isCatalogError, type ErrorCode } from '../../errors.ts'
import type { ByteStream, Host } from '../../host/host.ts'
import { createMemoryNetwork, type MemoryNetwork } from '../../host/memory-host.ts'
import { TRANSFER_PROTOCOL } from '../../wire/transfer-messages.ts'
import { createChunkPool } from '../chunks/chunk-pool.ts'
import { createPeerLinks, type PeerLinks } from './peer-link.ts'

const signal = new AbortController().signal
const wanted = blob(10_000)
const withCode = (code: ErrorCode) =>
  expect.toSatisfy((error: unknown) => isCatalogError(error, code))

let network: MemoryNetwork
let here: Host
let there: Host
let links: PeerLinks
let opened: ByteStream[]
const lies: string[] = []

beforeEach(async () => {
  network = createMemoryNetwork()
  here = network.createHost('here')
  there = network.createHost('there')
  opened = []
  lies.length = 0
  const serve = answering(serving(wanted.bytes, 64 * 1024))
  const handle = async (stream: ByteStream): Promise<void> => {
    opened.push(stream)
    await serve(stream)
  }
  there.handle(TRANSFER_PROTOCOL, handle, { maxStreamsPerPeer: 8 })
  await here.start()
  await there.start()
  links = createPeerLinks(
    {
      host: here,
      clock: systemClock,
      pool: createChunkPool({ chunkSize: 65_536, maxBytes: 0 }),
      onMisbehaviour: (peer) => lies.push(peer),
    },
    { encodings: [], maxArtifactBytes: 1e9 },
  )
})
afterEach(async () => {
  links.stop()
  await here.stop()
  await there.stop()
})

describe('createPeerLinks', () => {
  test('one stream a lane, however many want it', async () => {
    const streams = await Promise.all([
      links.stream('there', 'session'),
      links.stream('there', 'session'),
      links.stream('there', 'bulk'),
    ])
    expect(streams[0]).toBe(streams[1])
    expect(streams[0]).not.toBe(streams[2])
    expect(await links.stream('there', 'session')).toBe(streams[0])
    await until(() => opened.length === 2)
  })

  test('warming opens the session once', async () => {
    links.warm('there')
    await until(() => opened.length === 1)
    await (await links.stream('there', 'session')).want(wanted.digest, { signal })
    expect(opened).toHaveLength(1)
  })

  test('opens anew after a failure, and keeps count of what was received', async () => {
    const first = await links.stream('there', 'session')
    await first.want(wanted.digest, { signal })
    const received = links.receivedBytes('there')
    expect(received).toBeGreaterThan(10_000)
    expect(links.receivedBytes('there', 'bulk')).toBe(0)
    opened[0]?.abort(new Error('restarted'))
    await until(() => first.failed)
    expect(links.receivedBytes('there', 'session')).toBe(received)
    const second = await links.stream('there', 'session')
    expect(second).not.toBe(first)
    await second.want(wanted.digest, { signal })
    expect(links.receivedBytes('there')).toBe(2 * received)
  })

  test('counts what is under way', async () => {
    const stream = await links.stream('there', 'session')
    const asking = Array.from({ length: 3 }, async () => stream.want(wanted.digest, { signal }))
    expect(links.outstanding('there')).toBe(3)
    await Promise.all(asking)
    expect(links.outstanding('there')).toBe(0)
    expect(links.outstanding('nobody')).toBe(0)
  })

  test('a peer that is not there is PEER_UNREACHABLE each time', async () => {
    for (let time = 0; time < 2; time++) {
      await expect(links.stream('nobody', 'session')).rejects.toEqual(withCode('PEER_UNREACHABLE'))
    }
  })

  test('dropping fails what is under way with its reason, also what is being opened', async () => {
    const session = await links.stream('there', 'session')
    const reason = new Error('the peer has gone')
    const asking = expect(session.want(wanted.digest, { signal })).rejects.toBe(reason)
    const opening = expect(links.stream('there', 'bulk')).rejects.toEqual(
      withCode('PEER_UNREACHABLE'),
    )
    links.drop('there', reason)
    await Promise.all([asking, opening])
    expect(links.receivedBytes('there')).toBe(0)
    await (await links.stream('there', 'bulk')).want(wanted.digest, { signal })
  })

  test('a lie is reported with its peer', async () => {
    const session = await links.stream('there', 'session')
    await until(() => opened.length === 1)
    await opened[0]?.write(Buffer.of(255, 255, 255, 255))
    await until(() => session.failed)
    expect(lies).toEqual(['there'])
  })

  test('stopped: nothing is opened any more', async () => {
    const session = await links.stream('there', 'session')
    links.stop()
    expect(session.failed).toBe(true)
    await expect(links.stream('there', 'session')).rejects.toEqual(withCode('NODE_STOPPED'))
  })

  test('requests go over a carrier once there is one, and over the host as soon as it breaks', async () => {
    const viaCarrier: ByteStream[] = []
    let hasWay = true
    const openCarrier = async (): Promise<ByteStream | undefined> => {
      if (!hasWay) return undefined
      const stream = await here.open('there', TRANSFER_PROTOCOL, { signal })
      viaCarrier.push(stream)
      return stream
    }
    const carried = createPeerLinks(
      {
        ...{ host: here, clock: systemClock, openCarrier },
        pool: createChunkPool({ chunkSize: 65_536, maxBytes: 0 }),
        onMisbehaviour: (peer) => lies.push(peer),
      },
      { encodings: [], maxArtifactBytes: 1e9 },
    )
    const want = async (): Promise<unknown> =>
      await (await carried.stream('there', 'session')).want(wanted.digest, { signal })
    carried.warm('there')
    await until(() => opened.length === 1)
    expect(viaCarrier).toEqual([])
    const first = await carried.stream('there', 'session')
    await want()
    await until(() => viaCarrier.length === 1)
    const second = await carried.stream('there', 'session')
    expect(second).not.toBe(first)
    await want()
    hasWay = false
    const lost = want()
    viaCarrier[0]?.abort(new Error('the wire is cut'))
    await expect(lost).rejects.toThrow('the wire is cut')
    expect(await carried.stream('there', 'session')).toBe(first)
    await want()
    expect(carried.receivedBytes('there')).toBeGreaterThan(3 * 10_000)
    carried.stop()
  })
})
