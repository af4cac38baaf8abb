/** What only the libp2p host does; what every host does is in test/contract/host.test.ts. Loopback only. */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { createCollectingLogger } from '../../../../test/support/collecting-logger.ts'
import { systemClock } from '../../timing/clock.ts'
import { isCatalogError } from '../../errors.ts'
import { silentLogger, type Logger } from '../../log.ts'
import { parseNodeOptions, type NodeOptions } from '../../options.ts'
import type { Host, PeerId } from '../host.ts'
import { IDENTITY_FILE } from './identity.ts'
import { createLibp2pHost } from './libp2p-host.ts'
import { PEERS_FILE } from './peers-database.ts'

const DEADLINE_MS = 15_000
const ECHO = '/catalog-test/echo/1'
const hasIpv6 = Object.values(networkInterfaces()).some((infos) =>
  infos?.some(({ address }) => address === '::1'),
)
if (!hasIpv6) console.log('skipped: IPv6-only mode, because this machine has no ::1')

const started: Host[] = []
const folders: string[] = []
const deadline = (): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(DEADLINE_MS) })

interface Settings {
  readonly path?: string
  readonly log?: Logger
}

function create(network: NodeOptions['network'] = {}, settings: Settings = {}): Host {
  const options = parseNodeOptions({ network: { port: 0, loopbackOnly: true, ...network } })
  const host = createLibp2pHost(
    { log: settings.log ?? silentLogger, clock: systemClock, random: Math.random },
    { network: options.network, path: settings.path },
  )
  started.push(host)
  return host
}

async function start(network: NodeOptions['network'] = {}, settings: Settings = {}): Promise<Host> {
  const host = create(network, settings)
  await host.start()
  return host
}

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'catalog-host-'))
  folders.push(path)
  return path
}

afterEach(async () => {
  for (const host of started.splice(0)) await host.stop()
  for (const path of folders.splice(0)) rmSync(path, { recursive: true, force: true })
})

function addressOf(host: Host, part = ''): string {
  const address = host.addresses().find((text) => text.includes(part))
  if (address === undefined) throw new Error(`no address with ${part}: ${host.addresses().join()}`)
  return address
}

async function echo(from: Host, to: Host): Promise<void> {
  to.handle(
    ECHO,
    async (stream) => {
      for await (const bytes of stream.source) await stream.write(bytes)
      await stream.end()
    },
    { maxStreamsPerPeer: 4 },
  )
  const sent = randomBytes(300_000)
  const stream = await from.open(to.id, ECHO, deadline())
  const received: Uint8Array[] = []
  const reading = (async () => {
    for await (const bytes of stream.source) received.push(bytes)
  })()
  await stream.write(sent)
  await stream.end()
  await reading
  expect(Buffer.concat(received).equals(sent)).toBe(true)
}

/** Asks now and with every event of the host, until it holds. */
async function until(host: Host, holds: () => boolean): Promise<void> {
  if (holds()) return
  const timer = AbortSignal.timeout(DEADLINE_MS)
  await new Promise<void>((resolve, reject) => {
    const leave = host.onEvent(() => {
      if (!holds()) return
      leave()
      resolve()
    })
    timer.addEventListener('abort', () => {
      leave()
      reject(new Error('it did not happen in time'))
    })
  })
}

const connectedTo =
  (host: Host, peer: PeerId): (() => boolean) =>
  () =>
    host.isConnected(peer)

describe('libp2p host', () => {
  it('prefers QUIC when a peer has both transports', async () => {
    const [a, b] = [await start(), await start()]
    await a.learnAddresses(b.id, [...b.addresses()].reverse(), addressOf(b))
    await a.connect(b.id, deadline())
    expect(a.peers()[0]?.transport).toBe('quic')
  })

  it('takes TCP when nothing answers on UDP', async () => {
    const b = await start({ quic: false })
    const silent = createSocket('udp4')
    silent.bind(0, '127.0.0.1')
    await once(silent, 'listening')
    try {
      const a = await start()
      const deaf = `/ip4/127.0.0.1/udp/${silent.address().port}/quic-v1/p2p/${b.id}`
      await a.learnAddresses(b.id, [deaf, ...b.addresses()], addressOf(b))
      await a.connect(b.id, deadline())
      expect(a.peers()[0]?.transport).toBe('tcp')
      await echo(a, b)
    } finally {
      silent.close()
    }
  })

  it.runIf(hasIpv6)('works on IPv6 alone', async () => {
    const network = { family: 'ipv6' } as const
    const [a, b] = [await start(network), await start(network)]
    for (const address of b.addresses()) expect(address.startsWith('/ip6/::1/')).toBe(true)
    await a.connect(addressOf(b, 'quic-v1'), deadline())
    await echo(a, b)
    await a.disconnect(b.id)
    await a.connect(addressOf(b, '/tcp/'), deadline())
    expect(a.peers()[0]?.transport).toBe('tcp')
  })

  it.runIf(hasIpv6)('does not dial IPv4 in IPv6-only mode', async () => {
    const a = await start({ family: 'ipv6' })
    const b = await start({ family: 'ipv4' })
    await expect(a.connect(addressOf(b), deadline())).rejects.toSatisfy(isCatalogError)
  })

  it('keeps its identity in its folder, and keeps others out of it', async () => {
    const path = folder()
    const first = await start({}, { path })
    const { id } = first
    const second = create({}, { path })
    await expect(second.start()).rejects.toMatchObject({ code: 'STORE_LOCKED' })
    await first.stop()
    const again = await start({}, { path })
    expect(again.id).toBe(id)
  })

  it('does not start with a damaged identity', async () => {
    const path = folder()
    writeFileSync(join(path, IDENTITY_FILE), 'junk')
    await expect(create({}, { path }).start()).rejects.toMatchObject({ code: 'HOST_FAILED' })
  })

  it('starts without its folder when that cannot be used, and says so', async () => {
    const file = join(folder(), 'file')
    writeFileSync(file, '')
    const log = createCollectingLogger()
    const host = await start({}, { path: join(file, 'below'), log })
    expect(host.addresses()).not.toEqual([])
    const said = log.lines.map(({ level, event }) => `${level} ${event}`)
    expect(said.slice(0, 2)).toEqual(['warn identity.not-kept', 'info peers.not-kept'])
  })

  it('starts with a damaged memory of its peers', async () => {
    const path = folder()
    writeFileSync(join(path, PEERS_FILE), 'junk'.repeat(1000))
    expect((await start({}, { path })).addresses()).not.toEqual([])
  })

  it('says which bootstrap address is wrong', async () => {
    await expect(create({ bootstrap: ['/ip4/nonsense'] }).start()).rejects.toMatchObject({
      code: 'INVALID_OPTIONS',
      message: expect.stringContaining('/ip4/nonsense') as string,
    })
  })

  it('tells others the addresses it is told to tell', async () => {
    const told = '/dns4/registry.example/tcp/4875'
    const host = await start({ announceAddresses: [told] })
    expect(host.addresses()).toEqual([`${told}/p2p/${host.id}`])
  })

  it('finds its peers again after a restart, without bootstrap or mDNS', async () => {
    const path = folder()
    const b = await start()
    const a = await start({}, { path })
    await a.connect(addressOf(b), deadline())
    await until(a, connectedTo(a, b.id))
    // The addresses that count are those that b tells in its identify message.
    await eventually(async () => (await a.addressesOf(b.id)).length > 1)
    await a.stop()
    const again = await start({}, { path })
    await until(again, connectedTo(again, b.id))
  })

  it('joins by a bootstrap address that answers only later', async () => {
    const path = folder()
    const b = await start({}, { path })
    const address = addressOf(b)
    const port = Number(/\/(?:udp|tcp)\/(\d+)/.exec(address)?.[1])
    await b.stop()
    const a = await start({ bootstrap: [address] })
    const again = await start({ port }, { path })
    await until(a, connectedTo(a, again.id))
  })

  it('knows the signed addresses of a peer', async () => {
    const [a, b] = [await start(), await start()]
    await a.learnAddresses(b.id, [`/ip4/127.0.0.1/tcp/1/p2p/${b.id}`], addressOf(b))
    await a.connect(addressOf(b), deadline())
    await eventually(async () => (await a.addressesOf(b.id)).length === b.addresses().length)
    expect(new Set(await a.addressesOf(b.id))).toEqual(new Set(b.addresses()))
  })

  it('learns no nonsense', async () => {
    const [a, b] = [await start(), await start()]
    const nonsense = ['', 'x', '/ip4/1.2.3.4', `/ip4/127.0.0.1/tcp/1/p2p/${a.id}`]
    await a.learnAddresses(b.id, nonsense, addressOf(b))
    await expect(a.connect(b.id, deadline())).rejects.toSatisfy(isCatalogError)
    await expect(a.connect('nobody', deadline())).rejects.toMatchObject({ code: 'INVALID_OPTIONS' })
  })

  it('dials names, over QUIC too', async () => {
    const [a, b] = [await start(), await start()]
    const named = addressOf(b, '/ip4/127.0.0.1/udp/').replace('/ip4/127.0.0.1/', '/dns4/localhost/')
    await a.connect(named.replace(/\/p2p\/.*/, ''), deadline())
    expect(a.peers()).toMatchObject([{ peer: b.id, transport: 'quic' }])
  })

  it('reaches a peer through a relay', async () => {
    const relay = await start({ relayServer: true, relayClient: false })
    const b = await start({ bootstrap: [addressOf(relay)] })
    await relayedAddress(b)
    const a = await start()
    await a.connect(addressOf(b, 'p2p-circuit'), deadline())
    expect(a.peers().find(({ peer }) => peer === b.id)?.transport).toBe('relay')
    await echo(a, b)
  })

  it('answers DHT queries once one of those that it meets has reached it', async () => {
    const [a, b] = [await start(), await start()]
    expect(b.network()).toMatchObject({ reachedFrom: 'nowhere', dht: 'client' })
    await a.connect(addressOf(b), deadline())
    await eventually(() => b.network().dht === 'server')
    expect(b.network().reachedFrom).toBe('loopback')
    expect(a.network()).toMatchObject({ reachedFrom: 'nowhere', dht: 'client' })
  })

  it('says who has a place at its relay, and at whose it has one', async () => {
    const relay = await start({ relayServer: true, relayClient: false })
    const b = await start({ bootstrap: [addressOf(relay)], dht: false })
    await relayedAddress(b)
    expect(b.network()).toMatchObject({ relayReservations: 0, dht: 'off', mapped: [] })
    expect(b.network().relayed[0]).toContain(`/p2p/${relay.id}/p2p-circuit/p2p/${b.id}`)
    expect(relay.network()).toMatchObject({ relayReservations: 1, relayed: [] })
  })

  it('finds providers in the DHT', async () => {
    const network = { bootstrapServer: true }
    const hub = await start(network)
    const others: Host[] = []
    for (let count = 0; count < 3; count += 1) {
      others.push(await start({ ...network, bootstrap: [addressOf(hub)] }))
    }
    for (const host of others) await until(host, connectedTo(host, hub.id))
    const [holder, , seeker] = others as [Host, Host, Host]
    const key = randomBytes(64)
    await provideSoon(holder, key)
    await eventually(async () => (await providersOf(seeker, key)).includes(holder.id))
    expect(await providersOf(seeker, randomBytes(64))).toEqual([])
  })

  it('finds providers in the DHT without any special server, among those that have been reached', async () => {
    const hub = await start()
    const others = [1, 2].map(() => start({ bootstrap: [addressOf(hub)] }))
    const [holder, seeker] = (await Promise.all(others)) as [Host, Host]
    for (const host of [holder, seeker]) await until(host, connectedTo(host, hub.id))
    expect(holder.isConnected(seeker.id)).toBe(false)
    await eventually(() => hub.network().dht === 'server')
    const key = randomBytes(64)
    await provideSoon(holder, key)
    await eventually(async () => (await providersOf(seeker, key)).includes(holder.id))
  })

  it('says so when nobody takes a provider record', async () => {
    const alone = await start()
    await expect(alone.routing?.provide(randomBytes(64), deadline())).rejects.toMatchObject({
      code: 'PEER_UNREACHABLE',
    })
    expect(await providersOf(alone, randomBytes(64))).toEqual([])
    await expect(alone.routing?.provide(randomBytes(5), deadline())).rejects.toMatchObject({
      code: 'INVALID_DIGEST',
    })
  })

  it('leaves nothing behind: a process that stops its host ends by itself', async () => {
    const module = new URL('./libp2p-host.ts', import.meta.url).href
    const script = `
      import { createLibp2pHost } from ${JSON.stringify(module)}
      const { systemClock } = await import(new URL('../../timing/clock.ts', ${JSON.stringify(module)}))
      const { silentLogger } = await import(new URL('../../log.ts', ${JSON.stringify(module)}))
      const { parseNodeOptions } = await import(new URL('../../options.ts', ${JSON.stringify(module)}))
      const network = (extra) =>
        parseNodeOptions({ network: { port: 0, loopbackOnly: true, ...extra } }).network
      const deps = { log: silentLogger, clock: systemClock, random: Math.random }
      const a = createLibp2pHost(deps, { network: network({ relayServer: true }), path: ${JSON.stringify(folder())} })
      const dead = '/ip4/127.0.0.1/udp/9/quic-v1'
      const b = createLibp2pHost(deps, { network: network({ bootstrap: [dead] }), path: undefined })
      await a.start()
      await b.start()
      await b.connect(a.addresses()[0], { signal: AbortSignal.timeout(5000) })
      await a.stop()
      await b.stop()
      console.log('stopped')
    `
    const child = spawn(process.execPath, ['--input-type=module', '-e', script])
    const output: Buffer[] = []
    child.stdout.on('data', (bytes: Buffer) => output.push(bytes))
    child.stderr.on('data', (bytes: Buffer) => output.push(bytes))
    const [code] = (await once(child, 'exit', deadline()).catch((error: unknown) => {
      child.kill('SIGKILL')
      throw error
    })) as [number]
    expect({ code, output: Buffer.concat(output).toString() }).toEqual({
      code: 0,
      output: 'stopped\n',
    })
  }, 20_000)
})

async function relayedAddress(host: Host): Promise<void> {
  await eventually(async () => host.addresses().some((address) => address.includes('p2p-circuit')))
}

/** The routing table fills after the connections are there. */
async function provideSoon(host: Host, key: Uint8Array): Promise<void> {
  await eventually(async () => {
    try {
      await host.routing?.provide(key, deadline())
      return true
    } catch (error) {
      if (isCatalogError(error, 'PEER_UNREACHABLE')) return false
      throw error
    }
  })
}

async function providersOf(host: Host, key: Uint8Array): Promise<PeerId[]> {
  const found = new Set<PeerId>()
  for await (const { peer } of host.routing?.findProviders(key, deadline()) ?? []) found.add(peer)
  return [...found]
}

async function eventually(holds: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + DEADLINE_MS
  while (!(await holds())) {
    if (performance.now() > end) throw new Error('it did not happen in time')
    await systemClock.sleep(20)
  }
}
