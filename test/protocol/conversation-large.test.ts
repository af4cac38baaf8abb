/**
 * Large artifacts between nodes: several providers of which one dies, chunks passed on while they still arrive, resuming
 * after a restart, and many who want the same. Real nodes; the network is in memory, with limits where time must pass.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { CatalogNode } from '../../core/src/api.ts'
import type { Digest } from '../../core/src/content/digest.ts'
import { createMemoryNetwork, type MemoryNetwork } from '../../core/src/host/memory-host.ts'
import { createNode } from '../../core/src/node.ts'
import type { NodeOptions } from '../../core/src/options.ts'
import { blob } from '../support/blobs.ts'
import { readAll } from '../support/read-all.ts'
import { until } from '../support/until.ts'

const MiB = 1024 * 1024
const CHUNK = 256 * 1024
const large = blob(40 * MiB + 12_345, 1)
const medium = blob(8 * MiB, 2)

let network: MemoryNetwork
let folder: string
const nodes = new Set<CatalogNode>()

beforeEach(async () => {
  network = createMemoryNetwork()
  folder = await mkdtemp(join(tmpdir(), 'catalog-large-'))
})
afterEach(async () => {
  await Promise.all([...nodes].map(async (node) => node.close()))
  nodes.clear()
  await rm(folder, { recursive: true, force: true })
})

async function start(
  name: string,
  transfer: NodeOptions['transfer'] = {},
  store: NodeOptions['store'] = {},
): Promise<CatalogNode> {
  const options: NodeOptions = {
    network: { dht: false, peerExchange: false },
    transfer: { chunkSize: CHUNK, ...transfer },
    store,
  }
  const node = await createNode(options, { host: network.createHost(name) })
  nodes.add(node)
  return node
}

async function connect(node: CatalogNode, ...others: CatalogNode[]): Promise<void> {
  for (const other of others) await node.connect(`/memory/${other.id}`)
}

/** Waits until `node` has heard of what each of these holds. */
async function knows(node: CatalogNode, ...holders: CatalogNode[]): Promise<void> {
  for (const holder of holders) await until(() => (view(node, holder)?.artifacts ?? 0) > 0)
}

function view(node: CatalogNode, other: CatalogNode) {
  return node.peers().find(({ peer }) => peer === other.id)
}

async function getIntact(node: CatalogNode, wanted: { digest: Digest; bytes: Uint8Array }) {
  const artifact = await node.get(wanted.digest)
  const bytes = await readAll(artifact.body)
  expect(Buffer.compare(bytes, wanted.bytes)).toBe(0)
  return artifact
}

describe('several providers', () => {
  test('40 MB from three of which one dies in the middle', async () => {
    const limits = { uploadRate: 16 * MiB }
    const providers = [await start('a', limits), await start('b', limits), await start('c', limits)]
    for (const provider of providers) await provider.put(large.bytes)
    const taker = await start('d')
    await connect(taker, ...providers)
    await knows(taker, ...providers)

    const getting = getIntact(taker, large)
    await until(() => taker.stats().store.partialBytes > 10 * MiB)
    const [dying, ...others] = providers
    await dying?.close()
    expect(taker.has(large.digest)).toBe(false)
    expect((await getting).source).toBe('peer')

    for (const provider of others) {
      expect(view(taker, provider)?.receivedBytes).toBeGreaterThan(4 * MiB)
    }
    expect(taker.stats()).toMatchObject({ misbehaviour: 0, bannedPeers: 0, activeDownloads: 0 })
  })

  test('all of them die: the error comes, and what has arrived is kept for later', async () => {
    const a = await start('a', { uploadRate: 8 * MiB })
    await a.put(medium.bytes)
    const taker = await start('b')
    await connect(taker, a)
    await knows(taker, a)
    const getting = getIntact(taker, medium)
    const failed = expect(getting).rejects.toMatchObject({ code: 'NO_PROVIDERS' })
    await until(() => taker.stats().store.partialBytes > MiB)
    await a.close()
    await failed
    expect(taker.stats().store.partialBytes).toBeGreaterThan(MiB)
    expect(taker.stats().misbehaviour).toBe(0)
  })
})

describe('passing on', () => {
  test('one that is still downloading gives what it has got to the next', async () => {
    const a = await start('a', { uploadRatePerPeer: 2 * MiB })
    await a.put(medium.bytes)
    const b = await start('b', { downloadRate: MiB })
    await connect(b, a)
    await knows(b, a)
    const stop = new AbortController()
    const slow = b.get(medium.digest, { signal: stop.signal })
    slow.catch(() => undefined) // stopped below, or done
    await until(() => b.stats().store.partialBytes > 2 * MiB)

    const c = await start('c')
    await connect(c, a, b)
    await knows(c, a, b)
    expect(b.has(medium.digest)).toBe(false)
    await getIntact(c, medium)
    expect(view(b, c)?.sentBytes).toBeGreaterThan(CHUNK)
    expect(view(c, a)?.receivedBytes).toBeGreaterThan(CHUNK)
    expect(view(c, b)?.receivedBytes).toBeGreaterThan(CHUNK)
    for (const node of [a, b, c]) expect(node.stats().misbehaviour).toBe(0)
    stop.abort(new Error('enough'))
  })
})

describe('resuming', () => {
  test('a node that is closed in the middle goes on where it was', async () => {
    const a = await start('a', { uploadRate: 16 * MiB })
    await a.put(large.bytes)
    const path = join(folder, 'store')
    const before = await start('b', {}, { path })
    await connect(before, a)
    await knows(before, a)
    const getting = before.get(large.digest)
    const failed = expect(getting).rejects.toMatchObject({ code: 'NODE_STOPPED' })
    await until(() => before.stats().store.partialBytes > 12 * MiB)
    await before.close()
    await failed
    const sentBefore = a.stats().uploaded.bytes

    const after = await start('b-again', {}, { path })
    expect(after.has(large.digest)).toBe(false)
    expect(after.stats().store.partialBytes).toBeGreaterThan(8 * MiB)
    await connect(after, a)
    await knows(after, a)
    await getIntact(after, large)
    expect(a.stats().uploaded.bytes - sentBefore).toBeLessThan(large.bytes.byteLength - 8 * MiB)
    expect(after.stats().store).toMatchObject({ artifacts: 1, partialBytes: 0 })
  })
})

describe('many who want the same', () => {
  test('cost one download', async () => {
    const a = await start('a')
    await a.put(medium.bytes)
    const b = await start('b')
    await connect(b, a)
    await knows(b, a)
    await Promise.all(Array.from({ length: 20 }, async () => getIntact(b, medium)))
    expect(a.stats().uploaded.bytes).toBeLessThan(medium.bytes.byteLength + 4 * CHUNK)
    expect(a.stats().uploaded.artifacts).toBe(1)
  })

  test('one of two gives up: it goes on; both give up: it ends', async () => {
    const a = await start('a', { uploadRate: 4 * MiB })
    await a.put(medium.bytes)
    const b = await start('b')
    await connect(b, a)
    await knows(b, a)
    const get = (stop: AbortController) => b.get(medium.digest, { signal: stop.signal })

    const both = [new AbortController(), new AbortController()]
    const ended = both.map(async (stop) => expect(get(stop)).rejects.toThrow('gone'))
    await until(() => b.stats().store.partialBytes > MiB)
    for (const stop of both) stop.abort(new Error('gone'))
    await Promise.all(ended)
    await until(() => b.stats().activeDownloads === 0)
    expect(b.has(medium.digest)).toBe(false)

    const [leaving, staying] = [new AbortController(), new AbortController()]
    const left = expect(get(leaving)).rejects.toThrow('gone')
    const stayed = get(staying)
    await until(() => b.stats().activeDownloads === 1)
    leaving.abort(new Error('gone'))
    await left
    expect(Buffer.compare(await readAll((await stayed).body), medium.bytes)).toBe(0)
  })
})
