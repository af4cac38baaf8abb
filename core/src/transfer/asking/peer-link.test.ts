import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { blob } from '../../../../test/support/blobs.ts'
import { directHost } from '../../../../test/support/direct-host.ts'
import { answering, serving, type Behaviour } from '../../../../test/support/hostile-peer.ts'
import { createFakeClock } from '../../../../test/support/fake-clock.ts'
import { streamPair } from '../../../../test/support/stream-pair.ts'
import { until } from '../../../../test/support/until.ts'
import { createCarriers, type Carriers } from '../../carrier/carrier.ts'
import { silentLogger } from '../../log.ts'
import { systemClock, type Clock } from '../../timing/clock.ts'
import { isCatalogError, type ErrorCode } from '../../errors.ts'
import type { ByteStream, Host } from '../../host/host.ts'
import { createMemoryNetwork, type MemoryNetwork } from '../../host/memory-host.ts'
import { TRANSFER_PROTOCOL } from '../../wire/transfer-messages.ts'
import { createChunkPool } from '../chunks/chunk-pool.ts'
import { createPeerLinks, type PeerLinks } from './peer-link.ts'
import type { RequestStream } from './request-stream.ts'
import { CARRIER_SILENCE_MS } from './silence-watch.ts'

const signal = new AbortController().signal
const wanted = blob(10_000)
const withCode = (code: ErrorCode) =>
  expect.toSatisfy((error: unknown) => isCatalogError(error, code))

let network: MemoryNetwork
let here: Host
let there: Host
let links: PeerLinks
let opened: ByteStream[]
let serve: Behaviour
const lies: string[] = []

function carriedLinks(openCarrier: Carriers['open'], clock: Clock): PeerLinks {
  return createPeerLinks(
    {
      ...{ host: here, clock, openCarrier },
      pool: createChunkPool({ chunkSize: 65_536, maxBytes: 0 }),
      onMisbehaviour: (peer) => lies.push(peer),
    },
    { encodings: [], maxArtifactBytes: 1e9 },
  )
}

/** Once there is another one to be had. */
async function otherThan(
  first: RequestStream,
  of: PeerLinks,
  lane: 'session' | 'bulk',
): Promise<RequestStream> {
  let stream = first
  const look = async (): Promise<void> => {
    stream = await of.stream('there', lane)
  }
  await until(() => {
    void look()
    return stream !== first
  })
  return stream
}

beforeEach(async () => {
  network = createMemoryNetwork()
  here = network.createHost('here')
  there = network.createHost('there')
  opened = []
  lies.length = 0
  serve = answering(serving(wanted.bytes, 64 * 1024))
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

  test('a stream that does not come in time is a peer that is late, and no error of ours', async () => {
    const clock = createFakeClock()
    const open: Host['open'] = (_, __, { signal }) =>
      new Promise((_resolve, reject) =>
        signal.addEventListener('abort', () => reject(signal.reason as Error)),
      )
    Object.assign(here, { open })
    const pool = createChunkPool({ chunkSize: 65_536, maxBytes: 0 })
    const late = createPeerLinks(
      { host: here, clock, pool, onMisbehaviour: () => undefined },
      { encodings: [], maxArtifactBytes: 1e9 },
    )
    const refused = expect(late.stream('there', 'session')).rejects.toEqual(
      withCode('PEER_UNREACHABLE'),
    )
    await clock.advance(5_000)
    await refused
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
    const carried = carriedLinks(openCarrier, systemClock)
    const want = async (): Promise<unknown> =>
      await (await carried.stream('there', 'session')).want(wanted.digest, { signal })
    carried.warm('there')
    await until(() => opened.length === 1)
    expect(viaCarrier).toEqual([])
    const first = await carried.stream('there', 'session')
    await want()
    await until(() => viaCarrier.length === 1)
    await otherThan(first, carried, 'session')
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

describe('a carrier through which nothing comes', () => {
  test('from its beginning is never used, and given up', async () => {
    const clock = createFakeClock()
    let made = 0
    const carried = carriedLinks(async () => {
      made += 1
      const pair = streamPair()
      pair.silent = true
      void serve(pair.remote).catch(() => undefined)
      return pair.local
    }, clock)
    const first = await carried.stream('there', 'session')
    for (let times = 0; times < 3; times += 1) {
      expect(await carried.stream('there', 'session')).toBe(first)
      await first.want(wanted.digest, { signal })
    }
    expect(made).toBe(1)
    await clock.advance(CARRIER_SILENCE_MS + 1_000)
    expect(await carried.stream('there', 'session')).toBe(first)
    expect(made).toBe(2)
    carried.stop()
  })

  test('counts as cut although other connections go on, and although all that it owes was called off', async () => {
    const clock = createFakeClock()
    const pairs: ReturnType<typeof streamPair>[] = []
    const carried = carriedLinks(async () => {
      if (pairs.length > 0) return undefined
      const pair = streamPair()
      pairs.push(pair)
      void serve(pair.remote).catch(() => undefined)
      return pair.local
    }, clock)
    const first = await carried.stream('there', 'session')
    const carrier = await otherThan(first, carried, 'session')
    await carrier.want(wanted.digest, { signal })
    const [pair] = pairs
    if (pair === undefined) throw new Error('no carrier')
    pair.silent = true
    const bulk = await carried.stream('there', 'bulk')
    const enough = new AbortController()
    const calledOff = carrier.want(wanted.digest, { signal: enough.signal })
    await bulk.want(wanted.digest, { signal })
    enough.abort(new Error('an origin was quicker'))
    await expect(calledOff).rejects.toThrow('quicker')
    for (let seconds = 0; seconds <= CARRIER_SILENCE_MS / 1_000; seconds += 1) {
      await bulk.want(wanted.digest, { signal })
      await clock.advance(1_000)
    }
    expect(carrier.failed).toBe(true)
    expect(await carried.stream('there', 'session')).toBe(first)
    carried.stop()
  })

  test('over real TLS: what it owes is asked for again over the host, and it is left alone for a while', async () => {
    const clock = createFakeClock()
    const carriersOf = (host: Host): Carriers =>
      createCarriers(
        {
          ...{ host: directHost(host), clock, log: silentLogger, onMisbehaviour: () => undefined },
          ...{ isNear: () => true, isGateway: () => false },
        },
        { protocol: TRANSFER_PROTOCOL, hosts: ['127.0.0.1'], port: 0 },
      )
    const [ours, theirs] = [carriersOf(here), carriersOf(there)]
    let frozen = false
    const answer = serving(wanted.bytes, 64 * 1024)
    theirs.handle(answering(async (...asked) => (frozen ? undefined : answer(...asked))))
    await Promise.all([ours.start(), theirs.start()])
    await here.connect('/memory/there', { signal })
    const carried = carriedLinks((peer) => ours.open(peer), clock)
    const first = await carried.stream('there', 'session')
    const carrier = await otherThan(first, carried, 'session')
    await carrier.want(wanted.digest, { signal })
    frozen = true
    const lost = expect(carrier.want(wanted.digest, { signal })).rejects.toEqual(
      withCode('PEER_UNREACHABLE'),
    )
    await clock.advance(CARRIER_SILENCE_MS + 1_000)
    await lost
    const { bytes } = await (
      await carried.stream('there', 'session')
    ).want(wanted.digest, { signal })
    expect(bytes).toEqual(wanted.bytes)
    await until(() => ours.count('there') === 0)
    expect(await ours.open('there')).toBeUndefined()
    await clock.advance(5_000)
    expect(await ours.open('there')).toBeDefined()
    carried.stop()
    await Promise.all([ours.stop(), theirs.stop()])
  })
})
