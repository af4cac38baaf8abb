/** What is said of a document counts for that one alone. */
import { expect, test } from 'vitest'
import { openPackumentCache } from './packument-cache.ts'

const log = { debug() {}, info() {}, warn() {}, error() {} }

test('what a machine confirms is its own text, not what the registry has given meanwhile', async () => {
  const limits = { path: undefined, memoryBytes: 1e6, quotaBytes: 1e6, maxBytes: 1e6 }
  const cache = await openPackumentCache({ log }, limits)
  const key = { registry: 'https://registry.example/', name: 'fx', owner: '' }
  const save = (hash: string, member: string | undefined) =>
    cache.save(
      {
        ...{ ...key, hash, member, kind: 'full', etag: undefined, lastModified: undefined },
        ...{ publicUrls: true, peerFetchedAtMs: undefined, confirmedAtMs: 1, lifetimeMs: 1 },
        freshness: 'current',
      },
      1,
    )
  const said = { confirmedAtMs: 2, lifetimeMs: 60_000, freshness: 'current' } as const
  const members = save('a', 'member')
  cache.update(members, said)
  expect(cache.find(key)).toMatchObject({ ...said, member: 'member' })
  for (const hash of ['a', 'b']) {
    save(hash, undefined)
    cache.update(members, said)
    expect(cache.find(key)).toMatchObject({ hash, confirmedAtMs: 1, lifetimeMs: 1 })
  }
  await cache.close()
})

test('documents are found by their name as they are now', async () => {
  const limits = { path: undefined, memoryBytes: 1e6, quotaBytes: 1e6, maxBytes: 1e6 }
  const cache = await openPackumentCache({ log }, limits)
  const registry = 'https://registry.example/'
  const saveFor = (owner: string) =>
    cache.save(
      {
        ...{ registry, name: 'fx', owner, hash: 'a', member: undefined, kind: 'full' },
        ...{ etag: undefined, lastModified: undefined, publicUrls: true, lifetimeMs: 1 },
        ...{ peerFetchedAtMs: undefined, confirmedAtMs: 1, freshness: 'current' },
      },
      1,
    )
  const found = () => cache.findByName(registry, 'fx', ['', 'alice'])
  expect([found(), cache.visibilityOf(registry, 'fx')]).toEqual([[], undefined])
  const hers = saveFor('alice')
  expect([found(), cache.visibilityOf(registry, 'fx')]).toEqual([[hers], 'private'])
  const open = saveFor('')
  expect(found()).toEqual([hers, open].toReversed())
  expect(cache.visibilityOf(registry, 'fx')).toBe('public')
  expect(cache.visibilityOf('https://other.example/', 'fx')).toBeUndefined()
  const said = { confirmedAtMs: 2, lifetimeMs: 60_000, freshness: 'current' } as const
  cache.update(open, said)
  expect(found()).toMatchObject([said, { confirmedAtMs: 1 }])
  cache.expire('fx')
  expect(found()).toMatchObject([{ freshness: 'changed' }, { freshness: 'changed' }])
  cache.remove(open)
  expect(found()).toMatchObject([{ owner: 'alice' }])
  cache.forget('fx')
  expect([found(), cache.visibilityOf(registry, 'fx')]).toEqual([[], undefined])
  await cache.close()
})
