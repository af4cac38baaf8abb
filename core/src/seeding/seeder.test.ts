import { describe, expect, it } from 'vitest'
import { memoryRecords, recordOf } from '../../../test/support/records.ts'
import { nameKeyOf } from '../content/name-key.ts'
import type { ArtifactRecord } from '../content/record.ts'
import type { Records } from '../records/records.ts'
import { systemClock } from '../timing/clock.ts'
import { digestOf, type Digest } from '../content/digest.ts'
import { createMemoryDirectory, createMemoryDiscovery } from '../discovery/memory-discovery.ts'
import { silentLogger } from '../log.ts'
import { createMemoryStore } from '../store/memory-store.ts'
import type { Visibility } from '../content/visibility.ts'
import type { Store } from '../store/store.ts'
import { createSeeder, type Seeder } from './seeder.ts'

const bytesOf = (name: string): Uint8Array => Buffer.from(name)
const digest = (name: string): Digest => digestOf(bytesOf(name))

interface World {
  readonly store: Store
  readonly records: Records
  isNameAnnounced(record: ArtifactRecord): boolean
  readonly seeder: Seeder
  /** Every digest that was ever announced, in order. */
  readonly everAnnounced: Digest[]
  put(name: string, visibility: Visibility): Promise<void>
  isAnnounced(name: string): boolean
}

async function createWorld(options: { seed: boolean } = { seed: true }): Promise<World> {
  const store = createMemoryStore(
    { clock: systemClock, log: silentLogger },
    { quotaBytes: 1024 * 1024, chunkSize: 1024 * 1024 },
  )
  await store.start()
  const directory = createMemoryDirectory()
  const real = createMemoryDiscovery(directory, 'self')
  const observer = createMemoryDiscovery(directory, 'observer')
  await real.start()
  await observer.start()
  const records = memoryRecords(store)
  const everAnnounced: Digest[] = []
  const discovery = {
    ...real,
    announce(digest: Digest) {
      everAnnounced.push(digest)
      real.announce(digest)
    },
  }
  return {
    store,
    everAnnounced,
    records,
    seeder: createSeeder({ store, records, discovery, log: silentLogger }, options),
    put: (name, visibility) => store.put(digest(name), bytesOf(name), { visibility }),
    isNameAnnounced: (record) => observer.nameHolders(nameKeyOf(record)).includes('self'),
    isAnnounced: (name) => observer.holders(digest(name)).includes('self'),
  }
}

describe('seeder', () => {
  it('announces what the store holds already', async () => {
    const { seeder, put, isAnnounced } = await createWorld()
    for (let i = 0; i < 5000; i += 1) await put(`old${i}`, 'public')
    await seeder.start()
    expect(isAnnounced('old0')).toBe(true)
    expect(isAnnounced('old4999')).toBe(true)
  })

  it('announces what arrives, and withdraws what leaves', async () => {
    const { store, seeder, put, isAnnounced } = await createWorld()
    await seeder.start()
    await put('new', 'public')
    expect(isAnnounced('new')).toBe(true)
    await store.delete(digest('new'))
    expect(isAnnounced('new')).toBe(false)
  })

  it('never announces a private entry, old or new', async () => {
    const { seeder, put, everAnnounced } = await createWorld()
    await put('old secret', 'private')
    await put('old', 'public')
    await seeder.start()
    await put('new secret', 'private')
    await put('new', 'public')
    expect(everAnnounced).toEqual([digest('old'), digest('new')])
  })

  it('announces an entry that becomes public', async () => {
    const { seeder, put, isAnnounced } = await createWorld()
    await put('x', 'private')
    await seeder.start()
    expect(isAnnounced('x')).toBe(false)
    await put('x', 'public')
    expect(isAnnounced('x')).toBe(true)
  })

  it('goes on announcing a public entry that is stored as private too', async () => {
    const { seeder, put, isAnnounced, everAnnounced } = await createWorld()
    await seeder.start()
    await put('x', 'public')
    await put('x', 'private')
    expect(isAnnounced('x')).toBe(true)
    expect(everAnnounced).toEqual([digest('x')])
  })

  it('notices what is removed while it announces', async () => {
    const { store, seeder, put, isAnnounced } = await createWorld()
    for (let i = 0; i < 5000; i += 1) await put(`old${i}`, 'public')
    const starting = seeder.start()
    await store.delete(digest('old4999'))
    await starting
    expect(isAnnounced('old4998')).toBe(true)
    expect(isAnnounced('old4999')).toBe(false)
  })

  it('announces nothing when told not to seed', async () => {
    const { seeder, put, everAnnounced } = await createWorld({ seed: false })
    await put('old', 'public')
    await seeder.start()
    await put('new', 'public')
    expect(everAnnounced).toEqual([])
  })

  it('announces nothing after it was stopped, or while it is', async () => {
    const { seeder, put, everAnnounced } = await createWorld()
    for (let i = 0; i < 5000; i += 1) await put(`old${i}`, 'public')
    const starting = seeder.start()
    await seeder.stop()
    await starting
    expect(everAnnounced.length).toBeLessThan(5000)
    const before = everAnnounced.length
    await put('new', 'public')
    expect(everAnnounced).toHaveLength(before)
  })

  it('tells the names of what is public and here, whichever comes first, and takes them back', async () => {
    const { seeder, put, store, records, isNameAnnounced } = await createWorld()
    const early = recordOf(digest('early'), { name: 'early' })
    const late = recordOf(digest('late'), { name: 'late' })
    const secret = recordOf(digest('secret'), { name: 'secret' })
    await put('early', 'public')
    await records.add(early)
    await seeder.start()
    expect(isNameAnnounced(early)).toBe(true)
    await records.add(late)
    expect(isNameAnnounced(late)).toBe(false)
    await put('late', 'public')
    expect(isNameAnnounced(late)).toBe(true)
    await put('secret', 'private')
    await records.add(secret)
    expect(isNameAnnounced(secret)).toBe(false)
    store.setVisibility(digest('secret'), 'public')
    expect(isNameAnnounced(secret)).toBe(true)
    store.setVisibility(digest('secret'), 'private')
    expect(isNameAnnounced(secret)).toBe(false)
    await store.delete(digest('late'))
    expect(isNameAnnounced(late)).toBe(false)
  })

  it('never tells a name without evidence', async () => {
    const { seeder, put, records, isNameAnnounced } = await createWorld()
    await seeder.start()
    await put('a', 'public')
    for (const verdict of ['invalid', 'unknown'] as const) {
      const record = recordOf(digest('a'), { verdict })
      expect(await records.add(record)).toBe(verdict)
      expect(isNameAnnounced(record)).toBe(false)
    }
  })
})
