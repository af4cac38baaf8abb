import { CatalogError, digestOf, keyIdFromBytes } from '@catalog-p2p/core'
import { expect, test, vi } from 'vitest'
import { createFakeNode } from '../../../test/support/fake-node.ts'
import { originsBy } from '../trust/origin-of-name.ts'
import { createFindHeads } from '../trust/find-heads.ts'
import { createNetworkPackages, revisionOf } from './network-packages.ts'
import { newestFirst } from './newest-first.ts'

vi.mock('node:timers/promises', () => ({ setTimeout: async () => undefined }))

const { signal } = new AbortController()
const NAME = '@acme/tool'
const SOME = digestOf(Buffer.from('some'))
const idOf = (fill: number) => keyIdFromBytes(new Uint8Array(32).fill(fill))
const [ann, bob] = [idOf(1), idOf(2)]
const silence = new CatalogError('PEER_TIMEOUT', 'no answer')
const UNAVAILABLE = { code: 'PEER_TIMEOUT', details: { status: 503, retryAfter: '2' } }

type Publications = ReturnType<typeof createFakeNode>['publications']
type Head = NonNullable<Awaited<ReturnType<Publications['head']>>>

const headOf = (publisher: Head['publisher'], ...versions: string[]): Head => ({
  ...{ name: NAME, publisher, sequence: 1, digest: SOME },
  ...{ previous: undefined, changedAtMs: 1, tags: new Map(), unpublished: [] },
  releases: new Map(versions.map((version) => [version, { statement: SOME }])),
})

const releaseOf = (version: string) => ({
  ...{ name: NAME, version, digest: SOME, size: 1, chunkSize: 65_536, root: new Uint8Array(32) },
  ...{ manifest: '{}', publishedAtMs: 1, publisher: ann },
})

/** Of Ann and Bob, where peers answer so. */
function packages(publications: Partial<Publications>, isPrivate = (): boolean => false) {
  const node = { publications: { ...createFakeNode().publications, ...publications } }
  const entries = [ann, bob].map((id) => {
    return { subject: '@acme', kind: 'key', id, how: 'added', comment: '' } as const
  })
  const findHeads = createFindHeads(node, isPrivate)
  const deps = { node, originOf: originsBy(entries), findHeads, isPrivate }
  return createNetworkPackages(deps, () => undefined)
}

test('peers that are busy are asked again while the client waits, and then it may try again', async () => {
  const head = vi.fn<Publications['head']>()
  const release = async () => releaseOf('1.0.0')
  head.mockRejectedValue(silence)
  const { find } = packages({ head, release })
  await expect(find(NAME, { signal })).rejects.toMatchObject(UNAVAILABLE)
  // Bob, who has nothing, keeps nobody from what Ann has.
  let asked = 0
  head.mockImplementation(async ({ publisher }) => {
    if (publisher === bob || asked++ < 3) throw silence
    return headOf(ann, '1.0.0')
  })
  expect([...(await find(NAME, { signal })).versions.keys()]).toEqual(['1.0.0'])
  expect(asked).toBe(4)
  head.mockResolvedValue(undefined)
  await expect(find(NAME, { signal })).rejects.toMatchObject({ code: 'NOT_FOUND' })
})

test('a version is absent only by a head that is certain', async () => {
  const heads = { old: headOf(ann, '1.0.0'), new: headOf(ann, '1.0.0', '2.0.0') }
  const head = vi.fn<Publications['head']>(async ({ publisher }, { certain }) => {
    if (publisher === bob) return undefined
    return certain ? heads.new : heads.old
  })
  const release = async (_: Head, version: string) => releaseOf(version)
  const found = packages({ head, release, knownHead: () => heads.old })
  const get = (version: string) => found.release({ name: NAME, version }, { signal })
  expect((await get('2.0.0')).version).toBe('2.0.0')
  await expect(get('3.0.0')).rejects.toMatchObject({ code: 'NOT_FOUND' })
  head.mockImplementation(async (_, { certain }) => {
    if (certain) throw silence
    return heads.old
  })
  expect((await get('1.0.0')).version).toBe('1.0.0')
  await expect(get('3.0.0')).rejects.toMatchObject(UNAVAILABLE)
})

test('a release that a head names is there, whether anybody gives it or not', async () => {
  const head = async () => headOf(ann, '1.0.0', '2.0.0')
  const silent = packages({ head, release: () => Promise.reject(silence) })
  const gone = packages({ head })
  for (const { find, release } of [silent, gone]) {
    await expect(find(NAME, { signal })).rejects.toMatchObject(UNAVAILABLE)
    const asked = release({ name: NAME, version: '2.0.0' }, { signal })
    await expect(asked).rejects.toMatchObject(UNAVAILABLE)
  }
  // Nobody is asked for what is private: it is not there.
  const own = packages({ knownHead: () => headOf(ann, '2.0.0') }, () => true)
  const absent = { code: 'NOT_FOUND', message: expect.stringContaining('private scope') as string }
  await expect(own.find(NAME, { signal })).rejects.toMatchObject(absent)
  const asked = own.release({ name: NAME, version: '2.0.0' }, { signal })
  await expect(asked).rejects.toMatchObject(absent)
  // One that nobody has any more takes none of the others along.
  const release = async (_: Head, version: string) =>
    version === '2.0.0' ? releaseOf(version) : undefined
  const { versions } = await packages({ head, release }).find(NAME, { signal })
  expect([...versions.keys()]).toEqual(['2.0.0'])
})

test('of more than a document holds the newest versions are in it, whichever is read first', async () => {
  const versions = Array.from({ length: 700 }, (_, index) => `1.${index}.0`)
  const manifest = ' '.repeat(60_000)
  let [running, most] = [0, 0]
  const release = async (_: Head, version: string) => {
    most = Math.max(most, (running += 1))
    await new Promise(setImmediate)
    // The latest comes when all others that are begun with it have filled the document.
    if (version === '1.699.0') await vi.waitUntil(() => running === 1)
    running -= 1
    return { ...releaseOf(version), manifest }
  }
  const tags = new Map(['1.699.0', '1.3.0'].map((version, index) => [`tag-${index}`, version]))
  const head = async () => ({ ...headOf(ann, ...versions), tags })
  const got = packages({ head, release })
  const package_ = await got.find(NAME, { signal })
  const found = package_.versions
  expect(found.size).toBe(Math.floor((32 * 1024 * 1024) / 60_000) + 1)
  expect(new Set(found.keys())).toEqual(new Set(versions.slice(-found.size)))
  expect(most).toBe(16)
  expect(package_.tags).toEqual(tags)
  // Whoever was shown this one can't say what is to be withdrawn.
  const listing = await got.list(NAME, { signal })
  expect([...listing.releases.keys()]).toEqual(versions)
  expect(package_.revision).toBe(`${listing.revision}-part`)
  expect((await got.release({ name: NAME, version: '1.0.0' }, { signal })).version).toBe('1.0.0')
})

test('the newest version is the one tagged latest, else the highest', () => {
  // As heads have them: the shortest key first.
  const { releases } = headOf(ann, '1.0.0', '2.0.0', '1.10.0', '1.9.0-rc.10', '1.9.0-rc.9')
  expect(newestFirst({ releases, tags: new Map() })).toEqual([
    ...['2.0.0', '1.10.0', '1.9.0-rc.10', '1.9.0-rc.9', '1.0.0'],
  ])
  expect(newestFirst({ releases, tags: new Map([['latest', '1.10.0']]) })[0]).toBe('1.10.0')
})

test('a revision can stand in a URL, whatever the hash is', () => {
  const digests = Array.from({ length: 100 }, (_, index) => digestOf(Buffer.from(`${index}`)))
  expect(digests.some((digest) => digest.slice(7, 15).includes('/'))).toBe(true)
  const revisions = digests.map((digest) => revisionOf([{ sequence: 4, digest }]))
  for (const each of revisions) expect(each).toMatch(/^4-[\w-]{8}$/)
  expect(new Set(revisions).size).toBe(digests.length)
})
