/** Real TLS on loopback between hosts in memory. Whoever listens here is `there`; who asks is `here`. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect as connectTcp, createServer, type AddressInfo, type Socket } from 'node:net'
import { connect as connectTls, createServer as createTlsServer } from 'node:tls'
import type { ConnectionOptions } from 'node:tls'
import { inspect } from 'node:util'
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createCollectingLogger } from '../../../test/support/collecting-logger.ts'
import { freePort } from '../../../test/support/machines/free-port.ts'
import { createFakeClock, type FakeClock } from '../../../test/support/fake-clock.ts'
import { selfSigned } from '../../../test/support/features/features-certificate.ts'
import { until } from '../../../test/support/until.ts'
import { directHost } from '../../../test/support/direct-host.ts'
import { CatalogError } from '../errors.ts'
import type { ByteStream, Host, PeerConnection } from '../host/host.ts'
import { createMemoryNetwork, type MemoryNetwork } from '../host/memory-host.ts'
import { ask } from '../rpc/ask.ts'
import { readFrames } from '../wire/frames.ts'
import type { CarrierOffer } from '../wire/carrier-messages.ts'
import { createCarriers, MAX_CARRIERS_PER_PEER, type Carriers } from './carrier.ts'
import { ipOf } from './carrier-dialer.ts'
import { createCarrierListener, HANDSHAKE_TIMEOUT_MS, NEAR_HANDSHAKES } from './carrier-listener.ts'
import { CARRIER_OFFERS } from './offer-protocol.ts'
import { Tickets } from './tickets.ts'
import { dialSettings } from './tls-settings.ts'

const PROTOCOL = '/catalog-test/carried/1'
const signal = new AbortController().signal

interface Party {
  readonly host: Host
  readonly carriers: Carriers
  readonly accepted: ByteStream[]
  readonly lies: string[]
}

let network: MemoryNetwork
let clock: FakeClock
let here: Party
let there: Party
let offer: CarrierOffer
const sockets: Socket[] = []
const log = createCollectingLogger()
const issue = vi.spyOn(Tickets.prototype, 'issue')

async function party(name: string, seen: Partial<PeerConnection> = {}): Promise<Party> {
  const host = directHost(network.createHost(name), seen)
  const accepted: ByteStream[] = []
  const lies: string[] = []
  const carriers = createCarriers(
    {
      ...{ host, clock, log },
      onMisbehaviour: (peer) => void lies.push(peer),
      isNear: () => true,
      isGateway: (ip) => ip === '127.0.0.9',
    },
    { protocol: PROTOCOL, hosts: ['127.0.0.1'], port: 0 },
  )
  carriers.handle(async (stream) => {
    accepted.push(stream)
    for await (const bytes of stream.source) await stream.write(bytes)
  })
  await host.start()
  await carriers.start()
  return { host, carriers, accepted, lies }
}

/** It says that it listens at this port. */
function offerPort(host: Host, port: number): { readonly asked: number } {
  let asked = 0
  host.handle(
    CARRIER_OFFERS.id,
    async (stream) => {
      asked += 1
      const body = CARRIER_OFFERS.response.encode({ ...offer, port })
      await stream.write(Buffer.concat([Buffer.from([0, 0, 0, body.byteLength]), body]))
      await stream.end()
    },
    { maxStreamsPerPeer: 1 },
  )
  return {
    get asked() {
      return asked
    },
  }
}

async function connected(name: string): Promise<Host> {
  const host = network.createHost(name)
  await host.start()
  await here.host.connect(`/memory/${name}`, { signal })
  return host
}

async function askOffer(from: Party, to: Party): Promise<CarrierOffer | undefined> {
  const request = { version: 1 }
  return await ask({ host: from.host, clock }, CARRIER_OFFERS, {
    peer: to.host.id,
    request,
    signal,
  })
}

async function close({ carriers, host }: Party): Promise<void> {
  await carriers.stop()
  await host.stop()
}

/** Undefined when it was let in, else why not. */
async function refusal(options: ConnectionOptions): Promise<string | undefined> {
  const socket = connectTls({ host: '127.0.0.1', port: offer.port, ...options })
  sockets.push(socket)
  const { promise, resolve } = Promise.withResolvers<string | undefined>()
  socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
  socket.on('end', () => resolve('closed'))
  socket.on('close', () => resolve('closed'))
  socket.once('secureConnect', () => {
    // In TLS 1.3 a client is through before its server is: an echo shows that it was let in.
    socket.once('data', () => resolve(undefined))
    socket.write('?')
  })
  const why = await promise
  expect(socket.getPeerCertificate() ?? {}).toEqual({})
  return why
}

function holding({ ticket, key }: Pick<CarrierOffer, 'ticket' | 'key'>): ConnectionOptions {
  return dialSettings({ identity: Buffer.from(ticket).toString('hex'), psk: key })
}

async function received(stream: ByteStream, length: number): Promise<Buffer> {
  const parts: Uint8Array[] = []
  let total = 0
  for await (const bytes of stream.source) {
    parts.push(bytes)
    total += bytes.byteLength
    if (total >= length) break
  }
  return Buffer.concat(parts)
}

beforeEach(async () => {
  network = createMemoryNetwork()
  clock = createFakeClock()
  here = await party('here')
  there = await party('there')
  await here.host.connect('/memory/there', { signal })
  const told = await askOffer(here, there)
  if (told === undefined) throw new Error('no offer')
  offer = told
})
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await close(here)
  await close(there)
})
afterAll(() => issue.mockRestore())

describe('between peers that reach each other', () => {
  test('bytes go both ways, many more than fit unread, and each end knows whose they are', async () => {
    const stream = await here.carriers.open('there')
    if (stream === undefined) throw new Error('no carrier')
    const sent = randomBytes(5_000_000)
    const writing = stream.write(sent)
    expect((await received(stream, sent.byteLength)).equals(sent)).toBe(true)
    await writing
    expect(stream).toMatchObject({ peer: 'there', protocol: PROTOCOL })
    expect(there.accepted).toMatchObject([{ peer: 'here', protocol: PROTOCOL }])
    expect(here.carriers.count('there')).toBe(1)
  })

  test('what is written in one turn comes in order, small ones as one, and all of it before an end', async () => {
    const pieces: Uint8Array[] = []
    there.carriers.handle(async (stream) => {
      for await (const bytes of stream.source) pieces.push(Uint8Array.from(bytes))
    })
    const stream = await here.carriers.open('there')
    if (stream === undefined) throw new Error('no carrier')
    const write = async (...parts: Uint8Array[]): Promise<void> => {
      const before = Buffer.concat(pieces).byteLength
      const all = Buffer.concat(parts)
      await Promise.all(parts.map((part) => stream.write(part)))
      if (parts.length === 1) await stream.end()
      await until(() => Buffer.concat(pieces).byteLength === before + all.byteLength)
      expect(Buffer.concat(pieces).subarray(before).equals(all)).toBe(true)
    }
    await write(Buffer.of(1), Buffer.of(2), Buffer.of(3))
    expect(pieces).toHaveLength(1)
    await write(Buffer.of(4), randomBytes(100_000), Buffer.of(5))
    await write(Buffer.of(6))
  })

  test('a carrier ends with the connection that its ticket was told over, and the ticket with it', async () => {
    const stream = await here.carriers.open('there')
    if (stream === undefined) throw new Error('no carrier')
    await there.host.disconnect('here')
    await expect(received(stream, 1)).rejects.toMatchObject({ code: 'PEER_UNREACHABLE' })
    await until(() => there.carriers.count('here') === 0)
    expect(await here.carriers.open('there')).toBeUndefined()
    expect(await refusal(holding(offer))).toBeDefined()
  })

  test('one that breaks is made anew, but not at once; one without use is closed', async () => {
    await here.carriers.open('there')
    await until(() => there.accepted.length === 1)
    there.accepted[0]?.abort(new Error('gone'))
    await until(() => here.carriers.count('there') === 0)
    expect(await here.carriers.open('there')).toBeUndefined()
    await clock.advance(5_000)
    expect(await here.carriers.open('there')).toBeDefined()
    await clock.advance(60_000)
    await until(() => there.carriers.count('here') === 0)
    expect(await here.carriers.open('there')).toBeDefined()
  })

  test('nor is what was only written a use', async () => {
    there.carriers.handle(async (stream) => {
      for await (const bytes of stream.source) expect(bytes).toHaveLength(1)
    })
    const stream = await here.carriers.open('there')
    await clock.advance(40_000)
    await stream?.write(Buffer.of(1))
    await clock.advance(20_000)
    await until(() => here.carriers.count('there') === 0)
  })

  test('one through which nothing comes is broken: it is left alone', async () => {
    const stream = await here.carriers.open('there')
    stream?.abort(new CatalogError('PEER_UNREACHABLE', 'nothing comes'))
    await until(() => here.carriers.count('there') === 0)
    expect(await here.carriers.open('there')).toBeUndefined()
  })

  test('the peers of one address share places: the newest gives way', async () => {
    const count = 17
    const names = Array.from({ length: count }, (_, index) => `neighbour-${index}`)
    const neighbours = await Promise.all(names.map((name) => party(name)))
    for (const { host, carriers } of neighbours) {
      await host.connect('/memory/there', { signal })
      for (let i = 0; i < MAX_CARRIERS_PER_PEER; i += 1) await carriers.open('there')
    }
    const counts = (): number[] => names.map((name) => there.carriers.count(name))
    const total = (): number => counts().reduce((sum, each) => sum + each, 0)
    // The last one has learned from its first.
    await until(() => there.accepted.length === 65 && total() === 64)
    expect(counts()).toEqual([...Array<number>(16).fill(MAX_CARRIERS_PER_PEER), 0])
    await Promise.all(neighbours.map(close))
  })

  test('no peer holds more than its places', async () => {
    const streams = []
    for (let i = 0; i <= MAX_CARRIERS_PER_PEER; i += 1)
      streams.push(await here.carriers.open('there'))
    const last = streams.at(-1)
    if (last === undefined) throw new Error('no carrier')
    await expect(received(last, 1)).rejects.toMatchObject({ code: 'PEER_UNREACHABLE' })
    expect(there.accepted).toHaveLength(MAX_CARRIERS_PER_PEER)
  })
})

describe('a stranger at the port', () => {
  const key = randomBytes(32)
  const ticket = randomBytes(16)

  test('gets an alert, and is shown no certificate and no name', async () => {
    expect(await refusal({ rejectUnauthorized: false })).toMatch(/HANDSHAKE_FAILURE/)
    expect(await refusal({ rejectUnauthorized: false, maxVersion: 'TLSv1.2' })).toMatch(/VERSION/)
    expect(await refusal(holding({ ticket, key }))).toMatch(/HANDSHAKE_FAILURE/)
    expect(await refusal(holding({ ticket: offer.ticket, key }))).toMatch(/DECRYPT_ERROR/)
    expect(there.accepted).toEqual([])
    expect(await refusal(holding(offer))).toBeUndefined()
  })

  test('who answers a dial with a certificate is refused, whatever the environment says', async () => {
    const { certificate: cert, key: ofCert } = selfSigned('localhost')
    const server = createTlsServer({ cert, key: ofCert }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0')
    const { port } = server.address() as AddressInfo
    const socket = connectTls({ host: '127.0.0.1', port, ...holding(offer) })
    vi.unstubAllEnvs()
    sockets.push(socket)
    await expect(once(socket, 'secureConnect')).rejects.toThrow()
    server.close()
  })

  test('who is silent in the handshake is let go, and takes nothing from carriers', async () => {
    const stream = await here.carriers.open('there')
    if (stream === undefined) throw new Error('no carrier')
    await until(() => there.accepted.length === 1)
    const silent = Array.from({ length: 40 }, () => connectTcp(offer.port, '127.0.0.1'))
    sockets.push(...silent)
    const closed = new Set<Socket>()
    for (const socket of silent) {
      socket.on('error', () => undefined)
      socket.once('close', () => closed.add(socket))
    }
    await until(() => closed.size === 40 - NEAR_HANDSHAKES)
    await stream.write(Buffer.from('still here'))
    expect((await received(stream, 10)).toString()).toBe('still here')
    await clock.advance(HANDSHAKE_TIMEOUT_MS)
    await until(() => closed.size === 40)
    expect(await here.carriers.open('there')).toBeDefined()
  })

  test('one that is gone as it is let go gives its place back', async () => {
    let expire = (): void => undefined
    const listener = createCarrierListener({
      ...{ log, isNear: () => true, onConnection: () => undefined },
      tickets: { find: () => undefined },
      clock: {
        ...clock,
        after: (_ms, action) => {
          expire = action
          return () => undefined
        },
      },
    })
    await listener.listen(['127.0.0.1'], 0)
    sockets.push(connectTcp(listener.port ?? 0, '127.0.0.1').on('error', () => undefined))
    await until(() => listener.pendingHandshakes === 1)
    expire()
    listener.close()
    expect(listener.pendingHandshakes).toBe(0)
  })

  test('a frame beyond its bound ends a carrier before it has come', async () => {
    there.carriers.handle(async (stream) => {
      const frames = readFrames(stream.source, { maxFrameBytes: 1024 })
      for await (const batch of frames) expect(batch).toEqual([])
    })
    const stream = await here.carriers.open('there')
    await stream?.write(Buffer.from([0xff, 0xff, 0xff, 0xff]))
    await until(() => here.carriers.count('there') === 0 && there.carriers.count('here') === 0)
  })

  test('a ticket that was lent is good for nothing at another address', async () => {
    const third = await party('third', { address: '/ip4/127.0.0.7/udp/1/quic-v1' })
    await here.host.connect('/memory/third', { signal })
    const told = await askOffer(here, third)
    if (told === undefined) throw new Error('no offer')
    expect(await refusal({ ...holding(told), port: told.port })).toBe('closed')
    expect(third.accepted).toEqual([])
    await close(third)
  })
})

describe('where there is no way', () => {
  test.each([
    ['through a relay', { transport: 'relay' }],
    ['behind our own router', { address: '/ip4/127.0.0.9/udp/4875/quic-v1' }],
    ['at a name', { address: '/dns4/localhost/udp/4875/quic-v1' }],
  ] as const)('none is tried: a peer %s', async (_where, seen) => {
    const third = await party('third', seen)
    await third.host.connect('/memory/there', { signal })
    expect(await third.carriers.open('there')).toBeUndefined()
    expect(there.accepted).toEqual([])
    await close(third)
  })

  test('an offer is for direct peers, a new one voids the one before', async () => {
    const third = await party('third', { transport: 'relay' })
    await here.host.connect('/memory/third', { signal })
    expect(await askOffer(here, third)).toBeUndefined()
    await close(third)
    await askOffer(here, there)
    expect(await refusal(holding(offer))).toMatch(/HANDSHAKE_FAILURE/)
  })

  test('an older peer, and one that offers a port of the system, are asked once', async () => {
    const old = await connected('old')
    expect(await here.carriers.open('old')).toBeUndefined()
    const answers = offerPort(old, 22)
    expect(await here.carriers.open('old')).toBeUndefined()
    expect(answers.asked).toBe(0)
    await here.host.disconnect('old', { mayReturn: true })
    await here.host.connect('/memory/old', { signal })
    expect(await here.carriers.open('old')).toBeUndefined()
    await clock.advance(10_000)
    expect(await here.carriers.open('old')).toBeUndefined()
    expect(answers.asked).toBe(1)
    await old.stop()
  })

  test('a port that answers with something else, or never, costs no more than its deadline', async () => {
    const silent = createServer((socket) => sockets.push(socket)).listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const liar = await connected('liar')
    offerPort(liar, (silent.address() as AddressInfo).port)
    const opening = [here.carriers.open('liar'), here.carriers.open('liar')]
    await until(() => sockets.length === 2)
    await clock.advance(3_000)
    expect(await Promise.all(opening)).toEqual([undefined, undefined])
    // One failure, though two found it.
    await clock.advance(5_000)
    const again = here.carriers.open('liar')
    await until(() => sockets.length === 3)
    await clock.advance(3_000)
    expect(await again).toBeUndefined()
    silent.close()
    await liar.stop()
  })
})

test('the secrets of offers are in no log, whatever came of them', async () => {
  expect(await here.carriers.open('there')).toBeDefined()
  const closed = await connected('closed')
  offerPort(closed, await freePort())
  expect(await here.carriers.open('closed')).toBeUndefined()
  await closed.stop()
  expect(log.lines.map(({ event }) => event)).toContain('carrier.not-made')
  const shown = { depth: 20, maxArrayLength: null, maxStringLength: null }
  const text = inspect(log.lines, shown).replaceAll(/\s/g, '')
  const tickets = issue.mock.results.flatMap(({ type, value }) =>
    type === 'return' ? [value] : [],
  )
  expect(tickets.length).toBeGreaterThan(1)
  for (const bytes of tickets.flatMap((ticket) =>
    [ticket.bytes, ticket.key].map((each) => Buffer.from(each)),
  )) {
    for (const form of ['hex', 'base64', 'base64url'] as const) {
      expect(text.includes(bytes.toString(form))).toBe(false)
    }
    expect(text.includes([...bytes].join(','))).toBe(false)
  }
})

test('where a peer is, from its address', () => {
  expect(ipOf('/ip4/10.0.0.1/udp/1/quic-v1')).toBe('10.0.0.1')
  expect(ipOf('/ip6/fd00::1/tcp/1')).toBe('fd00::1')
  expect(ipOf('/ip6zone/eth0/ip6/fe80::1/udp/1/quic-v1')).toBe('fe80::1%eth0')
  expect(ipOf('/dns4/example/tcp/1')).toBeUndefined()
})
