import { afterAll, describe, expect, test, vi } from 'vitest'
import { blob, CHUNK_SIZE } from '../../../../test/support/blobs.ts'
import { createCollectingLogger } from '../../../../test/support/collecting-logger.ts'
import { readAll } from '../../../../test/support/read-all.ts'
import { systemClock } from '../../timing/clock.ts'
import { chunkCount } from '../../content/chunking.ts'
import { describeBytes } from '../../content/manifest.ts'
import { hashLeaf } from '../../content/merkle.ts'
import { CatalogError } from '../../errors.ts'
import { silentLogger } from '../../log.ts'
import { createMemoryStore } from '../../store/memory-store.ts'
import type { Store, StoreUsage } from '../../store/store.ts'
import type { Assembly } from './assembly.ts'
import { createAssemblyMaker } from './assembly-maker.ts'
import { createHasher } from './hasher.ts'

const { bytes, digest } = blob(3 * CHUNK_SIZE + 1)
const { manifest, leaves } = describeBytes(digest, bytes, CHUNK_SIZE)
const otherDigest = blob(1, 1).digest
const emptyUsage: StoreUsage = {
  ...{
    artifacts: 0,
    bytes: 0,
    partialBytes: 0,
    quotaBytes: 0,
    replicaBytes: 0,
    replicaQuotaBytes: 0,
    pinned: 0,
    writable: true,
  },
}
const hasher = createHasher()
afterAll(async () => hasher.stop())

async function startStore(): Promise<Store> {
  const deps = { clock: systemClock, log: silentLogger }
  const store = createMemoryStore(deps, { quotaBytes: 1e9, chunkSize: CHUNK_SIZE })
  await store.start()
  return store
}

async function fill(assembly: Assembly): Promise<void> {
  for (let index = 0; index < chunkCount(bytes.byteLength, CHUNK_SIZE); index++) {
    await assembly.add(index, bytes.subarray(index * CHUNK_SIZE, (index + 1) * CHUNK_SIZE))
  }
  await assembly.verified
}

describe('createAssemblyMaker', () => {
  test('what is complete is in the store, with its visibility', async () => {
    const store = await startStore()
    const maker = createAssemblyMaker({ store, hasher, log: silentLogger })
    await fill(await maker.open(manifest, leaves, 'private'))
    expect(store.entry(digest)?.visibility).toBe('private')
  })

  test('two of one digest at once: both are readable', async () => {
    const store = await startStore()
    const maker = createAssemblyMaker({ store, hasher, log: silentLogger })
    const [first, second] = [
      await maker.open(manifest, leaves, 'public'),
      await maker.open(manifest, leaves, 'private'),
    ]
    await Promise.all([fill(second), fill(first)])
    for (const assembly of [first, second]) {
      expect(Buffer.compare(await readAll(assembly.read()), bytes)).toBe(0)
    }
    expect(store.entry(digest)?.visibility).toBe('public')
  })

  test('one that was given up makes way for the next', async () => {
    const store = await startStore()
    const maker = createAssemblyMaker({ store, hasher, log: silentLogger })
    for (let time = 0; time < 3; time++) {
      const assembly = await maker.open(manifest, leaves, 'public')
      await assembly.fail(new Error('given up'), { keep: true })
      expect(store.usage().partialBytes).toBe(0)
    }
    await fill(await maker.open(manifest, leaves, 'public'))
    expect(store.has(digest)).toBe(true)
  })

  test('claims that the store does not take are in memory, within a bound for all of them', async () => {
    const full: Pick<Store, 'usage' | 'keeps' | 'openPartial'> = {
      keeps: () => true,
      usage: () => ({ ...emptyUsage, writable: false }),
      openPartial: async () => Promise.reject(new Error('not asked')),
    }
    const maker = createAssemblyMaker({ store: full as Store, hasher, log: silentLogger })
    const chunkSize = 4 * 1024 * 1024
    const zeros = Buffer.alloc(chunkSize)
    const table = { size: 20 * chunkSize, chunkSize }
    const zeroLeaves = Buffer.concat(Array.from({ length: 20 }, () => hashLeaf(zeros)))
    const tooLarge = { digest, size: 40 * chunkSize, chunkSize }
    await expect(maker.open(tooLarge, Buffer.alloc(40 * 32), 'public')).rejects.toMatchObject({
      code: 'STORE_FULL',
    })
    const claims = [
      await maker.open({ digest, ...table }, zeroLeaves, 'public'),
      await maker.open({ digest: otherDigest, ...table }, zeroLeaves, 'public'),
    ]
    const added = async (assembly: Assembly, index: number): Promise<unknown> =>
      assembly.add(index, zeros).catch((error: unknown) => error)
    for (let index = 0; index < 16; index++) {
      for (const claim of claims) expect(await added(claim, index)).toBe(true)
    }
    // 32 chunks of 4 MiB: one more is too many, and the claim it is of ends.
    await added(claims[0] as Assembly, 16)
    await expect((claims[0] as Assembly).verified).rejects.toMatchObject({ code: 'STORE_FULL' })
    expect(await added(claims[1] as Assembly, 16)).toBe(true)
    await (claims[1] as Assembly).fail(new Error('enough'), { keep: false })
  })

  test('a claim takes no file before its first chunk; what an earlier run has left is resumed', async () => {
    const store = await startStore()
    const openPartial = vi.spyOn(store, 'openPartial')
    const maker = createAssemblyMaker({ store, hasher, log: silentLogger })
    for (const keep of [true, false]) {
      const dropped = await maker.open(manifest, leaves, 'public')
      expect(await dropped.resume()).toEqual([])
      await dropped.fail(new Error('no chunk has come'), { keep })
    }
    expect(openPartial).not.toHaveBeenCalled()
    const left = await maker.open(manifest, leaves, 'public')
    await left.add(1, bytes.subarray(CHUNK_SIZE, 2 * CHUNK_SIZE))
    expect(openPartial).toHaveBeenCalledTimes(1)
    await left.fail(new Error('given up'), { keep: true })
    const resumed = await maker.open(manifest, leaves, 'public')
    expect(await resumed.resume()).toEqual([1])
    await fill(resumed)
    expect(store.has(digest)).toBe(true)
  })

  test('a claim of more than the store would take is refused at once, where memory does not either', async () => {
    const maker = createAssemblyMaker({ store: await startStore(), hasher, log: silentLogger })
    const chunkSize = 4 * 1024 * 1024
    const large = { digest, size: 80 * chunkSize, chunkSize }
    await expect(maker.open(large, Buffer.alloc(80 * 32), 'public')).rejects.toMatchObject({
      code: 'STORE_FULL',
    })
  })

  test.each(['STORE_FULL', 'STORE_FAILED'] as const)(
    'a store that says %s: it is served from memory, and logged once',
    async (code) => {
      const store = await startStore()
      const log = createCollectingLogger()
      const refusing: Pick<Store, 'usage' | 'keeps' | 'openPartial' | 'findPartial'> = {
        keeps: () => true,
        findPartial: async () => undefined,
        usage: () => store.usage(),
        openPartial: async () => Promise.reject(new CatalogError(code, 'no room')),
      }
      const maker = createAssemblyMaker({ store: refusing as Store, hasher, log })
      const assembly = await maker.open(manifest, leaves, 'public')
      await fill(assembly)
      expect(Buffer.compare(await readAll(assembly.read()), bytes)).toBe(0)
      expect(store.has(digest)).toBe(false)
      expect(log.lines.map(({ event }) => event)).toEqual(['download.in-memory'])
    },
  )

  test('any other failure of the store is the caller’s to know, and blocks nobody after it', async () => {
    const store = await startStore()
    const failure = new CatalogError('PEER_MISBEHAVED', 'leaves that do not fit')
    let fails = true
    const once: Pick<Store, 'usage' | 'keeps' | 'openPartial' | 'findPartial'> = {
      keeps: () => true,
      findPartial: async () => undefined,
      usage: () => store.usage(),
      async openPartial(...args) {
        if (fails) throw failure
        return await store.openPartial(...args)
      },
    }
    const maker = createAssemblyMaker({ store: once as Store, hasher, log: silentLogger })
    await expect(maker.open(manifest, undefined, 'public')).rejects.toBe(failure)
    const claim = await maker.open(manifest, leaves, 'public')
    await Promise.allSettled([fill(claim)])
    await expect(claim.verified).rejects.toBe(failure)
    fails = false
    await fill(await maker.open(manifest, leaves, 'public'))
    expect(store.has(digest)).toBe(true)
  })
})
