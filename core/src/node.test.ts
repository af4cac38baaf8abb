import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { readAll } from '../../test/support/read-all.ts'
import { until } from '../../test/support/until.ts'
import type { CatalogNode } from './api.ts'
import { digestOf } from './content/digest.ts'
import { createMemoryNetwork } from './host/memory-host.ts'
import { createNode } from './node.ts'
import { encodeFrame } from './wire/frames.ts'
import { TRANSFER_PROTOCOL } from './wire/transfer-messages.ts'

test('an artifact that many wait for is added once, and only when the store has it', async () => {
  const host = createMemoryNetwork({}).createHost('alone')
  const node = await createNode({ network: { dht: false } }, { host })
  onTestFinished(() => node.close())
  const added: { digest: string; bytes: number; stored: boolean }[] = []
  node.onEvent((event) => {
    if (event.type !== 'artifact-added') return
    const { digest, bytes } = event
    added.push({ digest, bytes, stored: node.has(digest) })
  })
  const bytes = Buffer.from('what everybody wants')
  const digest = digestOf(bytes)
  const origin = {
    visibility: 'public' as const,
    open: () => Promise.resolve({ size: bytes.byteLength, body: once(bytes) }),
  }

  const all = await Promise.all(Array.from({ length: 20 }, () => node.get(digest, { origin })))

  expect(all.map((artifact) => artifact.bytes)).toEqual(all.map(() => bytes))
  expect(added).toEqual([{ digest, bytes: bytes.byteLength, stored: true }])
})

test('a removed artifact is gone from the store and no longer announced', async () => {
  const host = createMemoryNetwork({}).createHost('alone')
  const node = await createNode({ network: { dht: false } }, { host })
  onTestFinished(() => node.close())
  const digest = await node.put(Buffer.from('published by mistake'))
  expect(node.stats().announced).toBe(1)

  expect(await node.remove(digest)).toBe(true)

  expect(node.has(digest)).toBe(false)
  expect(node.stats().announced).toBe(0)
  expect(await node.remove(digest)).toBe(false)
})

test('whoever meets a node can ask it for heads', async () => {
  const host = createMemoryNetwork({}).createHost('alone')
  const begun: string[] = []
  const [start, handle] = [host.start.bind(host), host.handle.bind(host)]
  host.handle = (protocol, ...how) => {
    begun.push(protocol)
    handle(protocol, ...how)
  }
  host.start = () => {
    begun.push('host')
    return start()
  }
  const node = await createNode({ network: { dht: false } }, { host })
  onTestFinished(() => node.close())
  expect(begun.slice(0, 2)).toEqual(['/catalog/heads/1.0.0', 'host'])
})

test('what the host finds wrong shows in the status', async () => {
  const host = createMemoryNetwork({}).createHost('alone')
  const node = await createNode({ network: { dht: false } }, { host })
  onTestFinished(() => node.close())
  expect(node.stats().problems).toEqual([])
  Object.assign(host, { problems: () => ['the port is gone'] })
  expect(node.stats().problems).toEqual(['the port is gone'])
})

test('a node that is to meet its peers later gives what its store and origins have before', async () => {
  const network = createMemoryNetwork({})
  const options = { network: { dht: false, peerExchange: false } }
  const holder = await createNode(options, { host: network.createHost('holder') })
  onTestFinished(() => holder.close())
  const [early, late] = [randomBytes(1_000), randomBytes(1_000)]
  const held = await holder.put(late)
  const now = Promise.withResolvers<void>()
  const host = network.createHost('late')
  const node = await createNode(options, { host, meetAfter: now.promise })
  onTestFinished(() => node.close())
  const origin = {
    visibility: 'public' as const,
    open: () => Promise.resolve({ size: early.byteLength, body: once(early) }),
  }
  const got = await node.get(digestOf(early), { origin })
  expect(got.source).toBe('origin')
  expect((await readAll(got.body)).equals(early)).toBe(true)
  await expect(node.connect('/memory/holder')).rejects.toThrow()

  now.resolve()
  await vi.waitFor(() => node.connect('/memory/holder'))
  await until(() => node.peers()[0]?.artifacts === 1)
  expect((await node.get(held)).source).toBe('peer')
  await until(() => holder.peers()[0]?.artifacts === 2)
  // Who has nothing says so, and need not be waited for.
  const empty = await createNode(options, { host: network.createHost('empty') })
  onTestFinished(() => empty.close())
  await empty.connect('/memory/holder')
  await until(() => holder.counts().inventories === 2)
})

test.each(['before it meets peers', 'while it starts to', 'after it could not'])(
  'a download from the origin ends when its node is closed %s',
  async (when) => {
    const now = Promise.withResolvers<void>()
    const begun = Promise.withResolvers<void>()
    const host = createMemoryNetwork({}).createHost('late')
    host.start = () => {
      begun.resolve()
      const starting = Promise.withResolvers<void>()
      if (when === 'after it could not') starting.reject(new Error('no network'))
      else setImmediate(starting.resolve)
      return starting.promise
    }
    const options = { network: { dht: false, peerExchange: false } }
    const node = await createNode(options, { host, meetAfter: now.promise })
    const reading = Promise.withResolvers<void>()
    const body = (async function* () {
      yield Buffer.from('first')
      reading.resolve()
      await new Promise(() => undefined)
    })()
    const origin = { visibility: 'public', open: () => Promise.resolve({ body }) } as const
    const got = node.get(digestOf(Buffer.from('never comes')), { origin })
    got.catch(() => undefined)
    await reading.promise
    if (when !== 'before it meets peers') {
      now.resolve()
      await begun.promise
      if (when === 'after it could not') await new Promise(setImmediate)
    }
    await node.close()
    await expect(got).rejects.toMatchObject({ code: 'NODE_STOPPED' })
  },
)

test('a liar is banned after a restart too', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'catalog-node-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const network = createMemoryNetwork({})
  const liar = network.createHost('liar')
  await liar.start()
  onTestFinished(() => liar.stop())
  const signal = AbortSignal.timeout(10_000)
  const start = (name: string): Promise<CatalogNode> => {
    const options = { network: { dht: false, peerExchange: false }, store: { path: folder } }
    return createNode(options, { host: network.createHost(name) })
  }
  const before = await start('before')
  await liar.connect('/memory/before', { signal })
  const stream = await liar.open('before', TRANSFER_PROTOCOL, { signal })
  await stream.write(encodeFrame(Uint8Array.of(99)))
  await until(() => before.stats().bannedPeers === 1)
  await before.close()

  const after = await start('after')
  onTestFinished(() => after.close())

  expect(after.stats().bannedPeers).toBe(1)
  await expect(liar.connect('/memory/after', { signal })).rejects.toThrow()
})

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

test('between nodes that reach each other by TCP bytes go over carriers, and without them as before', async () => {
  const network = { loopbackOnly: true, port: 0, mdns: false, dht: false, peerExchange: false }
  const a = await createNode({ network })
  onTestFinished(() => a.close())
  const nodes = [
    await createNode({ network }),
    await createNode({ network: { ...network, carrier: false } }),
  ]
  for (const node of nodes) onTestFinished(() => node.close())
  const contents = [1_000, 2_000, 3_000_000, 2_500_000].map((size) => randomBytes(size))
  const digests = await Promise.all(contents.map((bytes) => a.put(bytes)))
  const [address = ''] = a.stats().addresses.filter((each) => each.includes('/ip4/127.0.0.1/udp/'))
  const lanes: number[][] = []
  for (const node of nodes) {
    await node.connect(address)
    await until(() => node.peers()[0]?.artifacts === contents.length)
    const open: number[] = []
    for (const [index, digest] of digests.entries()) {
      const got = await readAll((await node.get(digest)).body)
      expect(got.equals(contents[index] ?? got.subarray(1))).toBe(true)
      const lane = index < 2 ? 1 : 2
      if (node === nodes[0]) await until(() => (node.peers()[0]?.carriers ?? 0) >= lane)
      open.push(node.peers()[0]?.carriers ?? NaN)
    }
    lanes.push(open)
  }
  expect(lanes).toEqual([
    [1, 1, 2, 2],
    [0, 0, 0, 0],
  ])
  expect(a.stats().uploaded.artifacts).toBe(2 * contents.length)
})
