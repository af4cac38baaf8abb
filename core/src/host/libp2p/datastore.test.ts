import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Key } from 'interface-datastore/key'
import { afterEach, describe, expect, it } from 'vitest'
import { openDatabase, type Database } from '../../disk/database.ts'
import { SqliteDatastore, type DatastoreOptions } from './datastore.ts'

const value = (text: string): Buffer => Buffer.from(text)

describe('SQLite datastore', () => {
  const databases: Database[] = []
  async function create(options?: DatastoreOptions): Promise<SqliteDatastore> {
    const database = await openDatabase(':memory:')
    databases.push(database)
    return new SqliteDatastore(database, options)
  }
  afterEach(() => {
    for (const database of databases.splice(0)) database.close()
  })

  async function keys(store: SqliteDatastore, prefix: string): Promise<string[]> {
    const found: string[] = []
    for await (const { key } of store.query({ prefix })) found.push(key.toString())
    return found
  }

  it('keeps, overwrites, finds and deletes', async () => {
    const store = await create()
    store.put(new Key('/a/1'), value('one'))
    store.put(new Key('/a/1'), value('two'))
    expect(Buffer.from(store.get(new Key('/a/1'))).toString()).toBe('two')
    expect(store.has(new Key('/a/1'))).toBe(true)
    store.delete(new Key('/a/1'))
    expect(store.has(new Key('/a/1'))).toBe(false)
    expect(() => store.get(new Key('/a/1'))).toThrow(
      expect.objectContaining({ name: 'NotFoundError' }),
    )
  })

  it('answers queries by prefix, filter and limit', async () => {
    const store = await create()
    for (const name of ['/a/1', '/a/2', '/ab', '/b/1']) store.put(new Key(name), value(name))
    expect(await keys(store, '/a/')).toEqual(['/a/1', '/a/2'])
    const limited: string[] = []
    for await (const key of store.queryKeys({ prefix: '/', limit: 2 })) limited.push(key.toString())
    expect(limited).toEqual(['/a/1', '/a/2'])
  })

  it('lets its consumer change what a query walks over', async () => {
    const store = await create()
    for (const name of ['/a/1', '/a/2', '/a/3']) store.put(new Key(name), value(name))
    for await (const { key } of store.query({ prefix: '/a' })) store.delete(key)
    expect(await keys(store, '/a')).toEqual([])
  })

  it('makes a batch one step', async () => {
    const store = await create()
    store.put(new Key('/old'), value('old'))
    const batch = store.batch()
    batch.put(new Key('/new'), value('new'))
    batch.delete(new Key('/old'))
    expect(store.has(new Key('/new'))).toBe(false)
    await batch.commit()
    expect(await keys(store, '/')).toEqual(['/new'])
  })

  /** Puts so many provider records of one peer. */
  function provide(store: SqliteDatastore, peer: string, count: number): void {
    for (let n = 0; n < count; n += 1) {
      store.put(new Key(`/dht/provider/${peer}${n}/${peer}`), value(peer))
    }
  }
  const counted = async (store: SqliteDatastore, peer: string): Promise<number> =>
    (await keys(store, '/dht/')).filter((key) => key.endsWith(`/${peer}`)).length

  const records = { total: 100, perGroup: 60, perOwner: 40 }
  const groupOf = (peer: string): string => (peer.startsWith('liar') ? 'one address' : peer)

  it('gives nobody more records than its share, and keeps the newest of them', async () => {
    const store = await create({ records, groupOf })
    provide(store, 'a', 70)
    expect(await counted(store, 'a')).toBe(40)
    expect(store.has(new Key('/dht/provider/a69/a'))).toBe(true)
    expect(store.has(new Key('/dht/provider/a0/a'))).toBe(false)
  })

  it("ids of one address share its records, and the full store takes another's all the same", async () => {
    const store = await create({ records, groupOf })
    for (let id = 0; id < 20; id += 1) provide(store, `liar${id}`, 10)
    expect(await keys(store, '/dht/')).toHaveLength(60)
    provide(store, 'honest', 30)
    provide(store, 'other', 30)
    expect(await counted(store, 'honest')).toBe(30)
    expect(await counted(store, 'other')).toBe(30)
    expect(await keys(store, '/dht/')).toHaveLength(100)
  })

  it("of 20,000 records of one peer and another's, with the bounds of a node, none of the other's is lost", async () => {
    const store = await create({
      records: { total: 10_000, perGroup: 10_000, perOwner: 10_000 },
      groupOf,
    })
    provide(store, 'honest', 100)
    provide(store, 'liar', 20_000)
    provide(store, 'late', 100)
    expect(await counted(store, 'honest')).toBe(100)
    expect(await counted(store, 'late')).toBe(100)
    expect(await counted(store, 'liar')).toBe(9_800)
  })

  it('does not count its own records, and counts others again after a restart and a deletion', async () => {
    const database = await openDatabase(':memory:')
    databases.push(database)
    const options = { records, groupOf, self: 'me' }
    const before = new SqliteDatastore(database, options)
    provide(before, 'me', 200)
    provide(before, 'a', 39)
    const store = new SqliteDatastore(database, options)
    store.delete(new Key('/dht/provider/a0/a'))
    provide(store, 'a', 41)
    expect(await counted(store, 'a')).toBe(40)
    expect(await counted(store, 'me')).toBe(200)
  })

  it('bounds what is no provider record, as one more owner', async () => {
    const store = await create({ records, groupOf })
    for (let n = 0; n < 200; n += 1) store.put(new Key(`/dht/record/${n}`), value('x'))
    expect(await keys(store, '/dht/')).toHaveLength(40)
  })

  it('bounds peers, and those met stay', async () => {
    const database = await openDatabase(':memory:')
    databases.push(database)
    const store = new SqliteDatastore(database, { maxPeers: 100 })
    const meet = database.prepare('INSERT INTO met VALUES (?, ?, ?, 1, 1, NULL)')
    for (let n = 0; n < 50; n += 1) {
      store.put(new Key(`/peers/met${n}`), value('x'))
      meet.run(`met${n}`, `/peers/met${n}`, 'group')
    }
    for (let n = 0; n < 3_000; n += 1) store.put(new Key(`/peers/made-up${n}`), value('x'))
    const left = await keys(store, '/peers/')
    expect(left.length).toBeLessThanOrEqual(100)
    expect(left.filter((key) => key.startsWith('/peers/met'))).toHaveLength(50)
    expect(left).toContain('/peers/made-up2999')
  })

  it('starts afresh with the tables of another version', async () => {
    const database = await openDatabase(':memory:')
    databases.push(database)
    database.exec('CREATE TABLE records (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID')
    database.exec("INSERT INTO records VALUES ('/peers/old', x'00')")
    const store = new SqliteDatastore(database)
    store.put(new Key('/peers/new'), value('x'))
    expect(await keys(store, '/')).toEqual(['/peers/new'])
  })

  it('forgets its own provider records of an earlier run, and only those', async () => {
    const store = await create()
    for (const peer of ['self', 'other']) store.put(new Key(`/dht/provider/k/${peer}`), value(peer))
    store.dropOwnProviderRecords('self')
    expect(await keys(store, '/')).toEqual(['/dht/provider/k/other'])
  })

  it('does nothing any more once it is closed', async () => {
    const store = await create()
    store.put(new Key('/a'), value('a'))
    store.close()
    store.put(new Key('/b'), value('b'))
    expect(store.has(new Key('/a'))).toBe(false)
    expect(await keys(store, '/')).toEqual([])
  })

  it('is still there after a restart', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'catalog-datastore-'))
    try {
      const file = join(folder, 'peers.sqlite')
      const first = await openDatabase(file)
      new SqliteDatastore(first).put(new Key('/a'), value('a'))
      first.close()
      const second = await openDatabase(file)
      expect(new SqliteDatastore(second).has(new Key('/a'))).toBe(true)
      second.close()
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
