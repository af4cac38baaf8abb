/** Versions asked for by name: what one round trip brings, who is asked, and what a liar achieves. */
import { describe, expect, test } from 'vitest'
import { blob, CHUNK_SIZE, type Blob } from '../../../../test/support/blobs.ts'
import { createFakeClock, type FakeClock } from '../../../../test/support/fake-clock.ts'
import { answering } from '../../../../test/support/hostile-peer.ts'
import { recordOf } from '../../../../test/support/records.ts'
import { createWorld, type Node, type World } from '../../../../test/support/transfer-world.ts'
import { nameKeyOf } from '../../content/name-key.ts'
import type { ArtifactRecord } from '../../content/record.ts'
import type { ByteStream } from '../../host/host.ts'
import { encodeAnswer, TRANSFER_PROTOCOL, type Answer } from '../../wire/transfer-messages.ts'

const small = blob(40_000, 1)
const large = blob(20 * CHUNK_SIZE + 11, 2)
const other = blob(30_000, 3)
const signal = new AbortController().signal

async function holder(world: World, name: string, artifact: Blob): Promise<Node> {
  const node = await world.add(name)
  await node.put(artifact)
  const record = recordOf(artifact.digest)
  await node.records.add(record)
  node.discovery.announceName(nameKeyOf(record))
  return node
}

const inline = { type: 'manifest', chunkSize: 1024 * 1024, leaves: new Uint8Array(0) } as const

/** A peer that lists the name of `small` and answers with these. */
async function liar(world: World, answers: (id: number) => Answer[], name = 'liar'): Promise<Node> {
  const node = await world.addPeer(name, [], async () => undefined)
  const behave = answering(
    async () => undefined,
    ({ id }) => answers(id),
  )
  node.host.handle(TRANSFER_PROTOCOL, behave, { maxStreamsPerPeer: 8 })
  node.discovery.announceName(nameKeyOf(recordOf(small.digest)))
  return node
}

const whole = (id: number, record: ArtifactRecord, { bytes }: Blob): Answer[] => [
  { type: 'record', id, record },
  { ...inline, id, size: bytes.byteLength, present: undefined },
  { type: 'chunk', id, index: 0, encoding: 'none', bytes },
]

describe('a version by its name', () => {
  test('comes with its bytes, which count as the peer’s', async () => {
    const world = createWorld()
    await holder(world, 'a', small)
    const b = await world.add('b')
    const record = await b.transfer.resolve(recordOf(small.digest), { signal })
    expect(record).toEqual(recordOf(small.digest))
    expect(b.store.has(small.digest)).toBe(true)
    expect((await b.transfer.get(small.digest, {})).source).toBe('peer')
    expect((await b.transfer.get(small.digest, {})).source).toBe('store')
    expect(b.records.find(recordOf(small.digest))).toEqual(record)
  })

  test('of a large artifact is its digest, and the bytes are asked for by that', async () => {
    const world = createWorld()
    await holder(world, 'a', large)
    const b = await world.add('b')
    expect((await b.transfer.resolve(recordOf(large.digest), { signal }))?.digest).toBe(
      large.digest,
    )
    expect(b.store.has(large.digest)).toBe(false)
  })

  test('that no peer lists is asked of nobody', async () => {
    const world = createWorld()
    const a = await world.add('a')
    const b = await world.add('b')
    await b.host.connect('/memory/a', { signal })
    const version = recordOf(small.digest, { name: 'unlisted' })
    expect(await b.transfer.resolve(version, { signal })).toBeUndefined()
    expect(a.transfer.uploads.artifacts).toBe(0)
    expect(b.transfer.activeDownloads).toBe(0)
  })

  test('whose artifact has become private is denied as if it were unknown', async () => {
    const world = createWorld()
    const a = await holder(world, 'a', small)
    a.store.setVisibility(small.digest, 'private')
    const b = await world.add('b')
    expect(await b.transfer.resolve(recordOf(small.digest), { signal })).toBeUndefined()
    expect(a.transfer.uploads.artifacts).toBe(0)
    expect(b.bans).toEqual([])
  })

  test('is asked for once by many callers', async () => {
    const world = createWorld()
    const a = await holder(world, 'a', small)
    const b = await world.add('b')
    const ask = () => b.transfer.resolve(recordOf(small.digest), { signal })
    const found = await Promise.all([ask(), ask(), ask()])
    expect(found.map((record) => record?.digest)).toEqual(Array(3).fill(small.digest))
    expect(a.transfer.uploads.artifacts).toBe(1)
  })
})

test('many at once are no fault of the peer that answers one after another', async () => {
  const clock = createFakeClock()
  const world = createWorld(clock)
  const peer = await world.addPeer('busy', [], async () => undefined)
  const asked = Array.from({ length: 12 }, (_, seed) => blob(30_000, 10 + seed))
  const records = asked.map(({ digest }, index) => recordOf(digest, { name: `package-${index}` }))
  for (const record of records) peer.discovery.announceName(nameKeyOf(record))
  let turn = Promise.resolve()
  const inTurn = async (stream: ByteStream): Promise<void> => {
    const behave = answering(
      async () => undefined,
      ({ id, ...request }) => {
        const index = records.findIndex(
          (each) => 'key' in request && nameKeyOf(each) === request.key,
        )
        const [record, artifact] = [records[index], asked[index]]
        if (record === undefined || artifact === undefined) throw new Error('not asked for here')
        turn = turn.then(async () => {
          await clock.sleep(50)
          for (const each of whole(id, record, artifact)) await stream.write(encodeAnswer(each))
        })
        return []
      },
    )
    await behave(stream)
  }
  peer.host.handle(TRANSFER_PROTOCOL, inTurn, { maxStreamsPerPeer: 8 })
  const b = await world.add('b')
  let isOver = false
  const resolving = Promise.all(records.map((record) => b.transfer.resolve(record, { signal })))
  void resolving.finally(() => (isOver = true))
  let isLeftAlone = false
  await clock.advanceUntil(
    () => {
      isLeftAlone ||= b.scores.isBackedOff('busy')
      return isOver
    },
    { maxMs: 2_000 },
  )
  expect((await resolving).map((record) => record?.digest)).toEqual(records.map((r) => r.digest))
  // What is asked for by its digest meanwhile would go to a registry.
  expect(isLeftAlone).toBe(false)
})

/** Says what `babble` gives as often as it takes to look busy, and never comes to an end. */
async function babbler(
  world: World,
  clock: FakeClock,
  { name, babble }: { name: string; babble: (id: number) => Uint8Array[] },
): Promise<void> {
  const peer = await liar(world, () => [], name)
  const behave = async (stream: ByteStream): Promise<void> => {
    const answer = answering(
      async () => undefined,
      ({ id }) => {
        void (async () => {
          for (const bytes of babble(id)) {
            await stream.write(bytes)
            await clock.sleep(20)
          }
        })().catch(() => undefined)
        return []
      },
    )
    await answer(stream)
  }
  peer.host.handle(TRANSFER_PROTOCOL, behave, { maxStreamsPerPeer: 8 })
}

const big = blob(1_000_000, 4)

test.each([
  [
    'floods with word that it will answer',
    500,
    (id: number) =>
      Array<Uint8Array>(200).fill(
        Buffer.concat(Array<Uint8Array>(1_000).fill(encodeAnswer({ type: 'wait', id }))),
      ),
  ],
  [
    'trickles',
    2_500,
    (id: number) => {
      const all = Buffer.concat(whole(id, recordOf(small.digest), big).map(encodeAnswer))
      return Array.from({ length: 90 }, (_, at) => all.subarray(at * 9_000, (at + 1) * 9_000))
    },
  ],
])(
  'that several list of which each %s: all of them together cost no more than one',
  async (_, maxMs, babble) => {
    const clock = createFakeClock()
    const world = createWorld(clock)
    for (let i = 0; i < 4; i += 1) await babbler(world, clock, { name: `liar-${i}`, babble })
    await holder(world, 'honest', small)
    const b = await world.add('b')
    let isOver = false
    const resolving = b.transfer.resolve(recordOf(small.digest), { signal })
    void resolving.finally(() => (isOver = true))
    await clock.advanceUntil(() => isOver, { maxMs })
    expect((await resolving)?.digest).toBe(small.digest)
  },
)

test('that a delegate is late with is asked of the others that list it, for a moment', async () => {
  const clock = createFakeClock()
  const world = createWorld(clock)
  await liar(world, () => [], 'delegate')
  const b = await world.add('b')
  Object.assign(b.fleet, { delegateOf: () => 'delegate' })
  for (const found of [undefined, recordOf(small.digest)]) {
    if (found === undefined) await liar(world, () => [], 'silent')
    else await holder(world, 'holder', small)
    let isOver = false
    const resolving = b.transfer.resolve(recordOf(small.digest), { signal, fetch: true })
    void resolving.finally(() => (isOver = true))
    const tookMs = await clock.advanceUntil(() => isOver, { maxMs: 1_000 })
    expect(await resolving).toEqual(found)
    expect(tookMs).toBeLessThanOrEqual(410)
  }
})

test('that a delegate is at for long is asked of the others that list it meanwhile', async () => {
  const clock = createFakeClock()
  const world = createWorld(clock)
  const [delegate, b] = [await world.add('delegate'), await world.add('b')]
  delegate.fleet.serve(() => new Promise(() => undefined))
  await b.host.connect('delegate', { signal })
  Object.assign(b.fleet, { delegateOf: () => 'delegate' })
  let isOver = false
  const resolving = b.transfer.resolve(recordOf(small.digest), { signal, fetch: true })
  void resolving.finally(() => (isOver = true))
  await clock.advance(100)
  await holder(world, 'holder', small)
  const tookMs = await clock.advanceUntil(() => isOver, { maxMs: 31_000 })
  expect(await resolving).toEqual(recordOf(small.digest))
  expect(tookMs).toBeLessThanOrEqual(310)
})

test('that a delegate never comes to an end with is given up, and the delegate called slow', async () => {
  const clock = createFakeClock()
  const world = createWorld(clock)
  const [delegate, b] = [await world.add('delegate'), await world.add('b')]
  delegate.fleet.serve(() => new Promise(() => undefined))
  await b.host.connect('delegate', { signal })
  const missed: string[] = []
  Object.assign(b.fleet, {
    ...{ delegateOf: () => 'delegate', missed: (_: string, why: string) => missed.push(why) },
  })
  let isOver = false
  const resolving = b.transfer.resolve(recordOf(small.digest), { signal, fetch: true })
  void resolving.finally(() => (isOver = true))
  await clock.advanceUntil(() => isOver, { maxMs: 31_000, stepMs: 1_000 })
  expect(await resolving).toBeUndefined()
  expect(missed).toEqual(['slow'])
})

describe('lies about a name', () => {
  const lies: Record<string, (id: number) => Answer[]> = {
    'a false signature': (id) => whole(id, recordOf(small.digest, { verdict: 'invalid' }), small),
    'the record of another version': (id) =>
      whole(id, recordOf(small.digest, { version: '6.6.6' }), small),
    'the record of another package': (id) =>
      whole(id, recordOf(small.digest, { name: 'evil' }), small),
    'bytes of another artifact': (id) => whole(id, recordOf(small.digest), other),
    'bytes before the record': (id) => whole(id, recordOf(small.digest), small).slice(1),
    'two records': (id) => [
      { type: 'record', id, record: recordOf(small.digest) },
      ...whole(id, recordOf(small.digest), small),
    ],
  }
  for (const [name, answers] of Object.entries(lies)) {
    test(`${name}: nothing is kept, the peer is banned, an honest one is asked`, async () => {
      const world = createWorld()
      await liar(world, answers)
      const b = await world.add('b')
      expect(await b.transfer.resolve(recordOf(small.digest), { signal })).toBeUndefined()
      expect(b.bans).toEqual(['liar'])
      expect(b.records.find(recordOf(small.digest))).toBeUndefined()
      expect([...b.store.entries()]).toEqual([])
      await holder(world, 'honest', small)
      const record = await b.transfer.resolve(recordOf(small.digest), { signal })
      expect(record?.digest).toBe(small.digest)
    })
  }

  test('a handful that list what they have not do not hide the one that has', async () => {
    const world = createWorld()
    for (let i = 0; i < 6; i += 1) {
      await liar(world, (id) => [{ type: 'status', id, status: 'not-found' }], `liar-${i}`)
    }
    await holder(world, 'honest', small)
    const b = await world.add('b')
    const record = await b.transfer.resolve(recordOf(small.digest), { signal })
    expect(record?.digest).toBe(small.digest)
  })

  test('a key that is not known here is nobody’s fault', async () => {
    const world = createWorld()
    await liar(world, (id) => whole(id, recordOf(small.digest, { verdict: 'unknown' }), small))
    const b = await world.add('b')
    expect(await b.transfer.resolve(recordOf(small.digest), { signal })).toBeUndefined()
    expect(b.bans).toEqual([])
    expect([...b.store.entries()]).toEqual([])
  })
})
