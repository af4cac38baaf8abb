/** What becomes of heads and releases that peers list and do not give: never an absence, and an absence only by those who answer. */
import { expect, test, vi } from 'vitest'
import { createFakeClock } from '../../../test/support/fake-clock.ts'
import { keyOf } from '../../../test/support/registries/publishing.ts'
import { digestOf, type Digest } from '../content/digest.ts'
import { describeBytes } from '../content/manifest.ts'
import { openDatabase } from '../disk/database.ts'
import { CatalogError } from '../errors.ts'
import { silentLogger as log } from '../log.ts'
import { keyIdOf } from '../signing/key-id.ts'
import { createHeadBook } from './head-book.ts'
import { headKeyOf } from './head-key.ts'
import { createHeadLookup } from './head-lookup.ts'
import { signHeadPointer } from './head-pointer.ts'
import { openHead, signHead, type HeadFields } from './head.ts'
import { createLaterRecords } from './later-records.ts'
import { recordOf, verifyRelease } from './release-evidence.ts'
import { createReleaseReader } from './release-reader.ts'
import { signRelease } from './release.ts'

const key = keyOf('ann')
const id = { name: '@acme/tool', publisher: keyIdOf(key.publicKey) }
const { signal } = new AbortController()
const SOME = digestOf(Buffer.from('some'))

const fieldsOf = (how: Partial<HeadFields> = {}): HeadFields => ({
  ...{ name: id.name, sequence: 1, previous: undefined, changedAtMs: 1, unpublished: [] },
  releases: new Map([['1.0.0', { statement: SOME }]]),
  tags: new Map(),
  ...how,
})
const first = signHead(fieldsOf(), key)
const second = signHead(fieldsOf({ sequence: 2, previous: openHead(first).digest }), key)

type Answer = (signal: AbortSignal) => Promise<Uint8Array | undefined>

const none: Answer = async () => undefined
const says =
  (statement: Uint8Array): Answer =>
  async () =>
    statement
const fails =
  (code: 'PEER_BUSY' | 'PEER_UNREACHABLE' | 'PEER_TIMEOUT' | 'PEER_REFUSED'): Answer =>
  async () => {
    throw new CatalogError(code, code)
  }
const late: Answer = (until) =>
  new Promise((_, reject) => until.addEventListener('abort', () => reject(until.reason)))

/** A lookup among peers that list the head, each with its answer, and others that have not told yet what they hold. */
async function lookup(
  answers: readonly Answer[],
  known?: Uint8Array,
  newcomers: readonly Answer[] = [],
) {
  const clock = createFakeClock()
  const book = createHeadBook(await openDatabase(':memory:'), { clock, log })
  if (known !== undefined) book.accept(known, {})
  const { find } = createHeadLookup({
    ...{ book, clock, log, routing: undefined, onNewer: () => undefined },
    newcomers: () => newcomers.map((_, index) => String(answers.length + index)),
    questions: {
      holders: () => answers.map((_, index) => String(index)),
      // Only heads are asked for here.
      ask: <Response>(_: unknown, question: { peer: string; signal: AbortSignal }) =>
        ([...answers, ...newcomers][Number(question.peer)] ?? none)(question.signal) as Promise<
          Response | undefined
        >,
      penalize: () => undefined,
    },
    fetch: () => Promise.reject(new CatalogError('NO_PROVIDERS', 'nobody')),
  })
  return async ({
    withinMs = 3_000,
    ...options
  }: {
    readonly certain?: boolean
    readonly maxAgeMs?: number
    readonly withinMs?: number
  } = {}): Promise<number | undefined> => {
    const found = find(id, { signal, maxAgeMs: 30_000, ...options })
    const settled = Promise.allSettled([found])
    await clock.advance(withinMs)
    await settled
    return (await found)?.head.sequence
  }
}

test.each<[string, Answer]>([
  ['is busy', fails('PEER_BUSY')],
  ['resets the stream', fails('PEER_UNREACHABLE')],
  ['lets it hang', fails('PEER_TIMEOUT')],
  ['answers later than anybody waits', late],
  ['refuses', fails('PEER_REFUSED')],
])('a peer that %s has not said that there is no head', async (_what, answer) => {
  const silence = { code: 'PEER_TIMEOUT' }
  await expect((await lookup([answer, none]))()).rejects.toMatchObject(silence)
  // What another one says, or was known before, is there all the same.
  expect(await (await lookup([answer, says(first)]))()).toBe(1)
  expect(await (await lookup([answer, none], first))()).toBe(1)
  // Unless somebody needs to know whether there is a newer one.
  const certain = { certain: true }
  await expect((await lookup([answer, none], first))(certain)).rejects.toMatchObject(silence)
  expect(await (await lookup([answer, says(second)], first))(certain)).toBe(2)
})

test('peers that have none, or that lie, make it absent', async () => {
  expect(await (await lookup([none, none]))()).toBeUndefined()
  expect(await (await lookup([says(Buffer.from('junk'))]))()).toBeUndefined()
  expect(await (await lookup([]))()).toBeUndefined()
  expect(await (await lookup([none], first))({ certain: true })).toBe(1)
})

test('who has not told yet what it holds is asked, unless something is known; its silence says nothing', async () => {
  expect(await (await lookup([], undefined, [late, says(first)]))({ withinMs: 250 })).toBe(1)
  expect(await (await lookup([none], undefined, [late, fails('PEER_REFUSED')]))()).toBeUndefined()
  expect(await (await lookup([none], first, [late]))({ withinMs: 0 })).toBe(1)
  // Who needs to know whether there is a newer one asks it then as well.
  expect(await (await lookup([none], first, [says(second)]))({ certain: true })).toBe(2)
  expect(await (await lookup([none], first, [late]))({ certain: true })).toBe(1)
})

test('one that lets the question hang costs a moment when another has answered, unless all are to be heard', async () => {
  expect(await (await lookup([late, says(first)]))({ withinMs: 250 })).toBe(1)
  expect(await (await lookup([late, none], first))({ withinMs: 250 })).toBe(1)
  const atLast: Answer = (until) =>
    new Promise((resolve) => until.addEventListener('abort', () => resolve(second)))
  expect(await (await lookup([none, atLast], first))({ withinMs: 250 })).toBe(1)
  expect(await (await lookup([none, atLast], first))({ maxAgeMs: 0 })).toBe(2)
})

test('a head that the DHT points to and nobody gives is waited for ten seconds', async () => {
  const clock = createFakeClock()
  const book = createHeadBook(await openDatabase(':memory:'), { clock, log })
  const value = signHeadPointer(openHead(first), key)
  const { walk } = createHeadLookup({
    ...{ book, clock, log, onNewer: () => undefined, newcomers: () => [] },
    questions: { holders: () => [], ask: () => Promise.reject(signal.reason), penalize: () => {} },
    routing: {
      async *findValue() {
        yield { value, heldMs: [] }
      },
      putValue: () => Promise.resolve(),
      acceptValues: () => undefined,
    },
    fetch: (_digest, options) => late(options.signal) as Promise<Uint8Array>,
  })
  const walking = walk(headKeyOf(id), signal)
  await clock.advance(10_000)
  expect(await walking).toMatchObject({ value })
})

test('a release that peers list and do not give is not absent', async () => {
  const read = (error: CatalogError) =>
    createReleaseReader({
      fetch: () => Promise.reject(error),
      onRelease: async () => undefined,
      ...{ clock: createFakeClock(), log },
    }).readAll(openHead(first), { signal })
  const silent = new CatalogError('NO_PROVIDERS', 'nobody', { unanswered: 1 })
  await expect(read(silent)).rejects.toMatchObject({ code: 'PEER_TIMEOUT' })
  expect(await read(new CatalogError('NO_PROVIDERS', 'nobody', { unanswered: 0 }))).toEqual([])
  // Nor is one that our own store can't give.
  await expect(read(new CatalogError('STORE_FAILED', 'disk'))).rejects.toMatchObject({
    code: 'STORE_FAILED',
  })
})

test('no peer is asked for a release of a private name', async () => {
  const asked: (boolean | undefined)[] = []
  const read = (isPrivate: (name: string) => boolean) =>
    createReleaseReader({
      fetch: (_digest, { peers }) => {
        asked.push(peers)
        return Promise.reject(new CatalogError('NO_PROVIDERS', 'nobody'))
      },
      onRelease: async () => undefined,
      ...{ isPrivate, clock: createFakeClock(), log },
    }).readAll(openHead(first), { signal })
  expect(await read((name) => name === id.name)).toEqual([])
  expect(await read(() => false)).toEqual([])
  expect(asked).toEqual([false, true])
})

test('records are made of what was read when nothing is read for a moment, and not while something is', async () => {
  const clock = createFakeClock()
  const kept: Digest[] = []
  const reading = Promise.withResolvers<void>()
  const digests = ['a', 'b', 'c'].map((text) => digestOf(Buffer.from(text)))
  const later = createLaterRecords({
    clock,
    async keep(digest) {
      kept.push(digest)
      if (kept.length === 1) await reading.promise
    },
  })
  for (const digest of digests) later.add(digest)
  await clock.advance(1_000)
  expect(kept).toHaveLength(1)
  later.postpone()
  reading.resolve()
  await clock.advance(999)
  expect(kept).toHaveLength(1)
  await clock.advance(1)
  await vi.waitFor(() => expect(kept).toEqual(digests))
  await later.stop()
})

test('a release is vouched for by the head that names it; its own signature makes it a record, later', async () => {
  const clock = createFakeClock()
  const about = describeBytes(SOME, Buffer.from('some'), 65_536).manifest
  const good = signRelease(
    {
      ...{ name: id.name, version: '1.0.0', digest: SOME, publishedAtMs: 1 },
      ...{ size: about.size, chunkSize: about.chunkSize, root: Uint8Array.from(about.root) },
      manifest: JSON.stringify({ name: id.name, version: '1.0.0' }),
    },
    key,
  )
  const forged = Uint8Array.from(good)
  forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1
  const read = async (statement: Uint8Array, signer = key) => {
    const releases = new Map([['1.0.0', { statement: digestOf(statement) }]])
    const records: string[] = []
    const reader = createReleaseReader({
      fetch: async () => statement,
      async onRelease(release, bytes) {
        records.push(verifyRelease(recordOf(release, bytes), () => true))
      },
      ...{ clock, log },
    })
    const head = openHead(signHead(fieldsOf({ releases }), signer))
    const release = await reader.read(head, '1.0.0', { signal })
    expect(records).toEqual([])
    await clock.advance(1_000)
    await new Promise(setImmediate)
    await reader.stop()
    return { version: release?.version, records }
  }
  expect(await read(good)).toEqual({ version: '1.0.0', records: ['valid'] })
  // Its publisher says it all the same; to others it proves nothing.
  expect(await read(forged)).toEqual({ version: '1.0.0', records: ['invalid'] })
  // A head vouches for nobody else.
  expect(await read(good, keyOf('mallory'))).toEqual({ version: undefined, records: [] })
})
