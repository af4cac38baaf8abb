import { expect, test } from 'vitest'
import { isCatalogError } from '@catalog-p2p/core'
import type { CachedDocument } from './cache/cached-document.ts'
import { getVariant } from './get-variant.ts'
import type { PackumentRequest, PackumentVariant } from './packument-service.ts'

const at = { confirmedAtMs: 1, lifetimeMs: undefined, freshness: 'current' } as const
const own: CachedDocument = {
  ...{ registry: 'https://registry.example/', name: 'fx', owner: '', ...at },
  ...{ id: '1', kind: 'full', hash: 'h', etag: undefined, lastModified: undefined },
  ...{ publicUrls: true, peerFetchedAtMs: undefined },
}
const request = {
  ...({ name: 'fx', kind: 'full', client: undefined } as const),
  signal: new AbortController().signal,
  form: { policy: 'leave', base: 'http://127.0.0.1/', isKept: true },
} as const
const variant: PackumentVariant = {
  kind: 'full',
  body: Buffer.from('{}'),
  tag: 't',
  untilMs: Infinity,
}

/** What is told of a document whose form can't be made so many times, and how often it was asked for. */
async function told(of: CachedDocument, { failures }: { failures: number }) {
  const asked: PackumentRequest[] = []
  const getting = getVariant(
    {
      get: async (each) => (asked.push(each), { document: of, state: 'fetched' }),
      variant: async () => (asked.length > failures ? variant : undefined),
    },
    request,
  )
  const code = await getting.then(
    () => 'given',
    (error: unknown) => (isCatalogError(error) ? error.code : error),
  )
  return [code, asked.length, asked.slice(1).every(({ revalidate }) => revalidate === true)]
}

test('a document that the cache has lost is asked for once more; then it is the cache that is too small', async () => {
  expect(await told(own, { failures: 1 })).toEqual(['given', 2, true])
  expect(await told(own, { failures: 9 })).toEqual(['STORE_FAILED', 2, true])
})

test('where peers lie one after another, the next is asked; and when all do, nobody is told that the cache is too small', async () => {
  const lie = { ...own, peerFetchedAtMs: 1 }
  expect(await told(lie, { failures: 3 })).toEqual(['given', 4, true])
  expect(await told(lie, { failures: 9 })).toEqual(['PEER_MISBEHAVED', 5, true])
})
