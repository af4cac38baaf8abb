import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Key } from 'interface-datastore/key'
import { afterEach, describe, expect, it } from 'vitest'
import { openDatabase, type Database } from '../store/database.ts'
import { SqliteDatastore } from './datastore.ts'

const value = (text: string): Buffer => Buffer.from(text)

describe('SQLite datastore', () => {
  const databases: Database[] = []
  async function create(maxStrangersRecords?: number): Promise<SqliteDatastore> {
    const database = await openDatabase(':memory:')
    databases.push(database)
    return new SqliteDatastore(database, maxStrangersRecords)
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

  it('bounds what strangers can make it keep, and counts again after a restart', async () => {
    const store = await create(2)
    for (const name of ['1', '2', '3'])
      store.put(new Key(`/dht/provider/${name}/peer`), value(name))
    store.put(new Key('/peers/x'), value('ours'))
    expect(await keys(store, '/dht')).toHaveLength(2)
    store.put(new Key('/dht/provider/1/peer'), value('changed'))
    store.delete(new Key('/dht/provider/2/peer'))
    store.put(new Key('/dht/provider/3/peer'), value('3'))
    expect(await keys(store, '/')).toEqual([
      '/dht/provider/1/peer',
      '/dht/provider/3/peer',
      '/peers/x',
    ])
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
