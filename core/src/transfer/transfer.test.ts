/** Downloads as a whole, over the in-memory network: which source gives what, who waits for whom, what ends when. */
import { describe, expect, test } from 'vitest'
import { blob, CHUNK_SIZE, type Blob } from '../../../test/support/blobs.ts'
import { createFakeClock, type FakeClock } from '../../../test/support/fake-clock.ts'
import { answering, serving } from '../../../test/support/hostile-peer.ts'
import { readAll } from '../../../test/support/read-all.ts'
import {
  brokenOrigin,
  createWorld,
  getBytes,
  isDown,
  originOf,
  searchNoFurther,
  type World,
} from '../../../test/support/transfer-world.ts'
import { until } from '../../../test/support/until.ts'
import { Bitfield } from '../content/bitfield.ts'
import { describeBytes } from '../content/manifest.ts'
import type { Origin } from '../api.ts'
import { CatalogError, isCatalogError, type ErrorCode } from '../errors.ts'
import { TRANSFER_PROTOCOL } from '../wire/transfer-messages.ts'

const small = blob(40_000, 1)
const large = blob(20 * CHUNK_SIZE + 11, 2)
const withCode = (code: ErrorCode) =>
  expect.toSatisfy((error: unknown) => isCatalogError(error, code))

describe('sources', () => {
  test('the store, then peers, then the origin', async () => {
    const world = createWorld()
    const a = await world.add('a')
    const b = await world.add('b')
    await a.put(small)
    const origin = originOf(small)
    for (const source of ['peer', 'store']) {
      const got = await getBytes(b, small.digest, { origin })
      expect(got.source).toBe(source)
      expect(Buffer.compare(got.bytes, small.bytes)).toBe(0)
    }
    expect(origin.opened).toBe(0)
    const other = blob(1000, 9)
    expect((await getBytes(b, other.digest, { origin: originOf(other) })).source).toBe('origin')
    expect(b.store.has(other.digest)).toBe(true)
  })

  test.each([small, large])('an origin with and without a length', async (artifact) => {
    const node = await createWorld().add('a')
    const origin = originOf(artifact, { sized: false })
    const got = await getBytes(node, artifact.digest, { origin })
    expect(Buffer.compare(got.bytes, artifact.bytes)).toBe(0)
    await node.store.delete(artifact.digest)
    const again = await getBytes(node, artifact.digest, { origin: originOf(artifact) })
    expect(Buffer.compare(again.bytes, artifact.bytes)).toBe(0)
    expect(node.store.has(artifact.digest)).toBe(true)
  })

  test('nobody: NO_PROVIDERS, or what the origin said', async () => {
    const world = createWorld()
    const a = await world.add('a')
    await world.add('b')
    await expect(a.transfer.get(small.digest, {})).rejects.toEqual(withCode('NO_PROVIDERS'))
    await expect(a.transfer.get(small.digest, { peers: false })).rejects.toEqual(
      withCode('NO_PROVIDERS'),
    )
    const failure = new CatalogError('UPSTREAM_REJECTED', '404')
    await expect(a.transfer.get(small.digest, { origin: brokenOrigin(failure) })).rejects.toBe(
      failure,
    )
    expect(a.transfer.activeDownloads).toBe(0)
  })

  test('a peer that has lost it costs nothing: the next one is asked', async () => {
    const world = createWorld()
    const [a, b, c] = [await world.add('a'), await world.add('b'), await world.add('c')]
    a.discovery.announce(small.digest)
    await b.put(small)
    expect((await getBytes(c, small.digest)).source).toBe('peer')
    expect(c.scores.isBackedOff('a')).toBe(false)
    expect(c.bans).toEqual([])
  })

  test('a silent peer: the next one, on its own, and no one waits for the silent one', async () => {
    const world = createWorld()
    const [a, b, c] = [await world.add('a'), await world.add('b'), await world.add('c')]
    await a.put(small)
    await b.put(small)
    world.network.silence('a')
    expect((await getBytes(c, small.digest)).source).toBe('peer')
    world.network.unsilence('a')
  })

  test.each([small, large])(
    'the origin is down: a peer that has been late again and again is asked all the same',
    async (artifact) => {
      const world = createWorld()
      const [a, b] = [await world.add('a'), await world.add('b')]
      searchNoFurther(a)
      await b.put(artifact)
      while (!a.scores.isBackedOff('b')) a.scores.recordTimeout('b')
      const got = await a.transfer.get(artifact.digest, { origin: brokenOrigin(isDown) })
      expect(got.source).toBe('peer')
      expect(Buffer.compare(await readAll(got.body), artifact.bytes)).toBe(0)
    },
  )

  test('the origin is down: peers beyond those asked before it are asked after it', async () => {
    const world = createWorld()
    const a = await world.add('a')
    searchNoFurther(a)
    for (const name of ['b', 'c', 'd', 'e', 'f', 'g', 'h']) {
      const { discovery } = await world.add(name)
      discovery.announce(small.digest) // and has it no more
    }
    const last = await world.add('z')
    await last.put(small)
    // Quick ones go first, so it is the last one asked.
    for (let times = 0; times < 20; times++) a.scores.answered('z', { answerMs: 5_000, bytes: 1 })
    const got = await a.transfer.get(small.digest, { origin: brokenOrigin(isDown) })
    expect(got.source).toBe('peer')
  })

  test('the origin is down and the only holder busy: it is asked until it is not, or for 10 s', async () => {
    const clock = createFakeClock()
    const world = createWorld(clock)
    const [a, b] = [await world.add('a'), await world.add('b')]
    searchNoFurther(a)
    await b.put(small)
    const serve = serving(small.bytes, CHUNK_SIZE)
    let asked = 0
    let busyTimes = 3
    const busy = answering(async (request, reply) => {
      if (asked++ < busyTimes) {
        await reply.send({ type: 'status', id: request.id, status: 'busy' })
      } else {
        await serve(request, reply)
      }
    })
    b.host.handle(TRANSFER_PROTOCOL, busy, { maxStreamsPerPeer: 8 })
    const options = { origin: brokenOrigin(isDown) }

    const absentee = async (
      request: Parameters<typeof serve>[0],
      reply: Parameters<typeof serve>[1],
    ): Promise<void> => reply.send({ type: 'status', id: request.id, status: 'not-found' })

    const first = getBytes(a, small.digest, options)
    await clock.advance(2_000)
    expect((await first).source).toBe('peer')
    expect(asked).toBe(4)

    await a.store.delete(small.digest)
    busyTimes = Infinity
    const ended = expect(getBytes(a, small.digest, options)).rejects.toBe(isDown)
    await clock.advance(11_000)
    await ended
    expect(asked).toBeLessThan(60)

    // Without an origin: it is told apart from what nobody has.
    const without = expect(getBytes(a, small.digest)).rejects.toMatchObject({
      ...{ code: 'NO_PROVIDERS', details: { unanswered: 1 } },
    })
    await clock.advance(11_000)
    await without
    await b.store.delete(small.digest)
    b.host.handle(TRANSFER_PROTOCOL, answering(absentee), { maxStreamsPerPeer: 8 })
    a.transfer.dropPeer('b')
    const absent = expect(getBytes(a, small.digest)).rejects.toMatchObject({
      ...{ code: 'NO_PROVIDERS', details: { unanswered: 0 } },
    })
    await clock.advance(11_000)
    await absent
  })

  test('wrong bytes from the origin never come out, small or large', async () => {
    const node = await createWorld().add('a')
    for (const artifact of [small, large]) {
      const lie = originOf({ ...blob(artifact.bytes.byteLength, 77) })
      const getting = getBytes(node, artifact.digest, { origin: lie })
      await expect(getting).rejects.toEqual(withCode('DIGEST_MISMATCH'))
      expect(node.store.has(artifact.digest)).toBe(false)
    }
    await until(() => node.transfer.activeDownloads === 0)
  })

  test('peers: false asks no peer, and does not join those who do', async () => {
    const world = createWorld()
    const [a, b] = [await world.add('a'), await world.add('b')]
    await a.put(large)
    const origin = originOf(large)
    const [alone, together] = await Promise.all([
      getBytes(b, large.digest, { peers: false, origin }),
      getBytes(b, large.digest),
    ])
    expect(alone.source).toBe('origin')
    expect(together.source).toBe('peer')
    for (const { bytes } of [alone, together]) {
      expect(Buffer.compare(bytes, large.bytes)).toBe(0)
    }
    await until(() => b.transfer.activeDownloads === 0)
    expect(b.store.has(large.digest)).toBe(true)
  })

  test('more large artifacts at once than may come from one peer, and no origin: all come', async () => {
    const world = createWorld()
    const a = await world.add('a', { maxConcurrentTransfers: 2 })
    const b = await world.add('b', { maxConcurrentTransfers: 4 })
    const artifacts = Array.from({ length: 12 }, (_, seed) => blob(6 * CHUNK_SIZE, 100 + seed))
    for (const artifact of artifacts) await a.put(artifact)
    const got = await Promise.all(artifacts.map(async ({ digest }) => getBytes(b, digest)))
    for (const [index, { bytes }] of got.entries()) {
      expect(Buffer.compare(bytes, artifacts[index]?.bytes ?? Buffer.of())).toBe(0)
    }
  })
})

describe('lies', () => {
  /** A peer that answers badly; first in line because it announced first. */
  async function addLiar(
    world: World,
    name: string,
    lie: Parameters<typeof answering>[0],
    claims: Blob,
  ): Promise<void> {
    const node = await world.add(name)
    await node.put(claims)
    node.host.handle(TRANSFER_PROTOCOL, answering(lie), { maxStreamsPerPeer: 8 })
  }
  const other = blob(large.bytes.byteLength, 55)

  test('five liars in a row, an origin that is down: it comes from the good peer', async () => {
    const world = createWorld()
    for (let index = 0; index < 5; index++) {
      const lie = blob(large.bytes.byteLength, 60 + index)
      await addLiar(world, `liar-${index}`, serving(lie.bytes, CHUNK_SIZE), large)
    }
    const good = await world.add('good')
    await good.put(large)
    const victim = await world.add('victim')
    const origin = brokenOrigin(new CatalogError('UPSTREAM_UNREACHABLE', 'offline'))
    for (const options of [{}, { origin }]) {
      const got = await getBytes(victim, large.digest, options)
      expect(Buffer.compare(got.bytes, large.bytes)).toBe(0)
      await victim.store.delete(large.digest)
    }
    expect(victim.bans).not.toContain('good')
  })

  test('many small liars, and no origin: all are asked, until the good one', async () => {
    const world = createWorld()
    const lie = blob(small.bytes.byteLength, 60)
    for (let index = 0; index < 9; index++) {
      await addLiar(world, `liar-${index}`, serving(lie.bytes, CHUNK_SIZE), small)
    }
    const good = await world.add('good')
    await good.put(small)
    const victim = await world.add('victim')
    expect((await getBytes(victim, small.digest)).source).toBe('peer')
    expect(victim.bans).toHaveLength(9)
  })

  test('who passes on a lie while downloading it is suspected, and banned when it happens again', async () => {
    const world = createWorld()
    const lie = serving(other.bytes, CHUNK_SIZE)
    // As if it were still arriving there: it does not vouch for the whole.
    await addLiar(
      world,
      'liar',
      async (request, reply) => {
        if (request.type !== 'want') return await lie(request, reply)
        await lie(request, {
          ...reply,
          async send(...answers) {
            for (const answer of answers) {
              if (answer instanceof Uint8Array || answer.type !== 'manifest') continue
              await reply.send({ ...answer, present: allPresent(21) })
            }
          },
        })
      },
      large,
    )
    const victim = await world.add('victim')
    for (let time = 1; time <= 3; time++) {
      expect(victim.bans).toEqual([])
      await expect(getBytes(victim, large.digest)).rejects.toEqual(withCode('NO_PROVIDERS'))
    }
    expect(victim.bans).toEqual(['liar'])
  })
})

describe('those who wait for one artifact', () => {
  test('a hundred at once cost one download', async () => {
    const world = createWorld()
    const node = await world.add('a')
    const origin = originOf(large)
    const all = await Promise.all(
      Array.from({ length: 100 }, async () => getBytes(node, large.digest, { origin })),
    )
    expect(origin.opened).toBe(1)
    for (const { bytes } of all) expect(Buffer.compare(bytes, large.bytes)).toBe(0)
  })

  test('when nobody waits any more it ends at once, and the peer that was asked is not to blame', async () => {
    const clock = createFakeClock()
    const world = createWorld(clock)
    await world.addPeer('slow', [small], async () => undefined)
    const b = await world.add('b')
    // What can't be called back: a stream that is being opened.
    Object.assign(b.host, { open: () => new Promise(() => undefined) })
    const timeouts: string[] = []
    Object.assign(b.scores, { recordTimeout: (peer: string) => timeouts.push(peer) })
    const stop = new AbortController()
    const getting = b.transfer.get(small.digest, { signal: stop.signal })
    const given = expect(getting).rejects.toThrow('hung up')
    await clock.advance(10)
    expect(b.transfer.activeDownloads).toBe(1)
    stop.abort(new Error('hung up'))
    await clock.advance(0)
    await given
    expect(b.transfer.activeDownloads).toBe(0)
    await clock.advance(5_000)
    expect(timeouts).toEqual([])
  })

  test('an error of this machine itself ends it like any other: as an error for who waits', async () => {
    const world = createWorld()
    const [a, b] = [await world.add('a'), await world.add('b')]
    await a.put(small)
    const broken = async (): Promise<never> => Promise.reject(new Error('the disk is gone'))
    Object.assign(b.store, { put: broken })
    await expect(b.transfer.get(small.digest, {})).rejects.toEqual(withCode('NO_PROVIDERS'))
    const holders = (): never => {
      throw new Error('a mistake of ours')
    }
    Object.assign(b.discovery, { holders })
    await expect(b.transfer.get(small.digest, {})).rejects.toEqual(withCode('NO_PROVIDERS'))
    expect(b.transfer.activeDownloads).toBe(0)
  })

  test('one that gives up gets its reason; the other gets the artifact', async () => {
    const node = await createWorld().add('a')
    const gate = Promise.withResolvers<void>()
    const origin = originOf(large, { gate: gate.promise })
    const stop = new AbortController()
    const leaving = getBytes(node, large.digest, { origin, signal: stop.signal })
    const staying = getBytes(node, large.digest, { origin, signal: new AbortController().signal })
    await until(() => origin.opened === 1)
    stop.abort(new Error('the client has gone'))
    gate.resolve()
    expect(Buffer.compare((await staying).bytes, large.bytes)).toBe(0)
    expect(origin.aborted).toBe(false)
    await leaving.catch((error: unknown) => expect(error).toEqual(new Error('the client has gone')))
  })

  test('all that give up end it, also one whose origin heeds no signal; the next one starts anew', async () => {
    const node = await createWorld().add('a')
    const origin = originOf(small, { gate: new Promise(() => undefined), sized: false })
    const stuck = { ...originOf(large, { gate: new Promise(() => undefined) }) }
    for (const [artifact, from] of [
      [small, origin],
      [large, stuck],
    ] as const) {
      const stops = [new AbortController(), new AbortController()]
      const getting = stops.map(async ({ signal }) =>
        getBytes(node, artifact.digest, { origin: from, signal }),
      )
      const settled = Promise.allSettled(getting)
      await until(() => node.transfer.activeDownloads === 1)
      for (const stop of stops) stop.abort(new Error('gone'))
      // In the same turn: the one that is ending must not take this one with it.
      const next = getBytes(node, artifact.digest, { origin: originOf(artifact) })
      expect((await settled).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
      expect(Buffer.compare((await next).bytes, artifact.bytes)).toBe(0)
    }
  })

  test('an aborted signal waits for nothing, whenever it is aborted', async () => {
    const node = await createWorld().add('a')
    const origin = originOf(small)
    const reason = new Error('before')
    await expect(
      node.transfer.get(small.digest, { origin, signal: AbortSignal.abort(reason) }),
    ).rejects.toBe(reason)
    expect(origin.opened).toBe(0)
    for (let hops = 0; hops < 12; hops++) {
      const stop = new AbortController()
      const getting = node.transfer.get(small.digest, { signal: stop.signal, origin })
      const settled = Promise.allSettled([getting])
      for (let hop = 0; hop < hops; hop++) await Promise.resolve()
      stop.abort(reason)
      const [outcome] = await settled
      if (outcome?.status === 'rejected') expect(outcome.reason).toBe(reason)
      await until(() => node.transfer.activeDownloads === 0)
      await node.store.delete(small.digest)
    }
  })

  test('one that joined others who had no origin has its own tried when they fail', async () => {
    const node = await createWorld().add('a')
    const without = node.transfer.get(small.digest, {})
    const failed = expect(without).rejects.toEqual(withCode('NO_PROVIDERS'))
    const origin = originOf(small)
    const got = await getBytes(node, small.digest, { origin })
    await failed
    expect(got.source).toBe('origin')
    expect(Buffer.compare(got.bytes, small.bytes)).toBe(0)
  })
})

describe('what is private', () => {
  test('is fetched from its origin, kept private, neither told nor served while it arrives or after', async () => {
    const world = createWorld()
    const [a, b] = [await world.add('a'), await world.add('b')]
    const gate = Promise.withResolvers<void>()
    const origin = originOf(large, { visibility: 'private', gate: gate.promise })
    const getting = getBytes(a, large.digest, { origin, peers: false })
    await until(() => origin.opened === 1)
    // Somebody who knows the digest asks all the same.
    a.discovery.announce(large.digest)
    await expect(b.transfer.get(large.digest, {})).rejects.toEqual(withCode('NO_PROVIDERS'))
    gate.resolve()
    await getting
    expect(a.store.entry(large.digest)?.visibility).toBe('private')
    await expect(b.transfer.get(large.digest, {})).rejects.toEqual(withCode('NO_PROVIDERS'))
    expect(a.told).toEqual([`+${large.digest}`])
  })

  test('stays private when a peer has it too', async () => {
    const world = createWorld()
    const [a, b] = [await world.add('a'), await world.add('b')]
    for (const artifact of [small, large]) {
      await b.put(artifact)
      const origin = originOf(artifact, { visibility: 'private' })
      const got = await getBytes(a, artifact.digest, { origin })
      expect(Buffer.compare(got.bytes, artifact.bytes)).toBe(0)
      expect(a.store.entry(artifact.digest)?.visibility).toBe('private')
    }
    expect(a.told).toEqual([])
  })
})

describe('passing on', () => {
  test('what arrives is told at once, and taken back when it does not come', async () => {
    const world = createWorld()
    const [a, b] = [await world.add('a'), await world.add('b')]
    await a.put(large)
    const getting = getBytes(b, large.digest)
    await getting
    expect(b.told[0]).toBe(`+${large.digest}`)
    await a.store.delete(large.digest)
    await b.store.delete(large.digest)
    b.told.length = 0
    const lie = serving(blob(large.bytes.byteLength, 3).bytes, CHUNK_SIZE)
    a.host.handle(TRANSFER_PROTOCOL, answering(lie), { maxStreamsPerPeer: 8 })
    b.transfer.dropPeer('a')
    await expect(getBytes(b, large.digest)).rejects.toEqual(withCode('NO_PROVIDERS'))
    expect(b.told).toEqual([`+${large.digest}`, `-${large.digest}`])
  })

  test('nothing is told by a node that does not seed', async () => {
    const world = createWorld()
    const [a, b] = [await world.add('a'), await world.add('b', { seed: false })]
    await a.put(large)
    await getBytes(b, large.digest)
    expect(b.told.filter((line) => line.startsWith('+'))).toEqual([])
  })
})

/** The hash thread knows nothing of a fake clock: it gets a moment of its own at every step. */
async function advanceUntil(clock: FakeClock, condition: () => boolean): Promise<void> {
  for (let step = 0; !condition(); step++) {
    if (step > 3_000) throw new Error(`not so after ${step} steps: ${String(condition)}`)
    await clock.advance(25)
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}

describe('an origin beside peers', () => {
  const artifact = blob(64 * CHUNK_SIZE, 31)

  /** A peer that sends 100 kB/s, and an asker whose hash thread is warm. */
  async function slowWorld() {
    const clock = createFakeClock()
    const world = createWorld(clock)
    const [a, b] = [await world.add('a', { uploadRate: 100_000 }), await world.add('b')]
    await a.put(artifact)
    await a.store.describe(artifact.digest)
    await getBytes(b, large.digest, { origin: originOf(large) })
    return { clock, world, a, b }
  }

  test('gives it when it is quicker, from its first byte to its last', async () => {
    const { clock, b } = await slowWorld()
    const origin = originOf(artifact)
    const getting = getBytes(b, artifact.digest, { origin })
    let isOver = false
    void getting.finally(() => (isOver = true))
    await advanceUntil(clock, () => isOver)
    expect((await getting).source).toBe('origin')
    expect(Buffer.compare((await getting).bytes, artifact.bytes)).toBe(0)
    expect(b.bans).toEqual([])
  })

  /** `a` has the artifact, which takes a second at its rate: too long for who has shown nothing yet. */
  async function besideSlowPeer(clock: ReturnType<typeof createFakeClock>) {
    const world = createWorld(clock)
    const [a, b] = [await world.add('a', { uploadRate: 5_000_000 }), await world.add('b')]
    await a.put(artifact)
    await a.put(small)
    await a.store.describe(artifact.digest)
    await getBytes(b, large.digest, { origin: originOf(large) })
    return { world, b }
  }

  test.each([
    { before: true, asked: 0 },
    { before: false, asked: 1 },
  ])(
    'is asked $asked times beside a peer that keeps a pace, good bytes before: $before',
    async (how) => {
      const clock = createFakeClock()
      const { b } = await besideSlowPeer(clock)
      if (how.before) expect((await getBytes(b, small.digest, {})).source).toBe('peer')
      const origin = originOf(artifact, { gate: new Promise<void>(() => undefined) })
      const getting = getBytes(b, artifact.digest, { origin })
      let isOver = false
      void getting.finally(() => (isOver = true))
      await advanceUntil(clock, () => isOver)
      expect((await getting).source).toBe('peer')
      expect(origin.opened).toBe(how.asked)
    },
  )

  test('is asked at once when a proven peer falls silent', async () => {
    const clock = createFakeClock()
    const { world, b } = await besideSlowPeer(clock)
    await getBytes(b, small.digest, {})
    const origin = originOf(artifact)
    const startedMs = clock.now()
    const getting = getBytes(b, artifact.digest, { origin })
    let isOver = false
    void getting.finally(() => (isOver = true))
    await advanceUntil(clock, () => clock.now() - startedMs > 200)
    world.network.silence('a')
    await advanceUntil(clock, () => origin.opened > 0)
    expect(clock.now() - startedMs).toBeLessThan(600)
    await advanceUntil(clock, () => isOver)
    expect((await getting).source).toBe('origin')
  })

  test('is asked at once beside a proven peer that goes on answering and has no chunk, which is asked less and less', async () => {
    const clock = createFakeClock()
    const world = createWorld(clock)
    const b = await world.add('b')
    const described = describeBytes(artifact.digest, artifact.bytes, CHUNK_SIZE)
    const present = new Bitfield(64)
    const wantedAtMs: number[] = []
    await world.addPeer('a', [small, artifact], async (request, reply) => {
      if (request.digest === small.digest) return serving(small.bytes, CHUNK_SIZE)(request, reply)
      if (request.type !== 'want') return
      const { size } = described.manifest
      const about = { size, chunkSize: CHUNK_SIZE, leaves: described.leaves, present }
      wantedAtMs.push(clock.now())
      await reply.send({ type: 'manifest', id: request.id, ...about })
    })
    expect((await getBytes(b, small.digest, {})).source).toBe('peer')
    let openedAtMs = Infinity
    const open = async (): Promise<never> => {
      openedAtMs = clock.now()
      return new Promise(() => undefined)
    }
    const startedMs = clock.now()
    const getting = getBytes(b, artifact.digest, { origin: { ...originOf(artifact), open } })
    const stopped = expect(getting).rejects.toEqual(withCode('NODE_STOPPED'))
    await advanceUntil(clock, () => openedAtMs < Infinity)
    expect(openedAtMs - startedMs).toBeLessThan(350)
    await advanceUntil(clock, () => clock.now() - startedMs > 5_000)
    expect(wantedAtMs.length).toBeLessThanOrEqual(10)
    expect(wantedAtMs.length).toBeGreaterThan(7)
    present.add(3)
    const seen = wantedAtMs.length
    await advanceUntil(clock, () => wantedAtMs.length === seen + 2)
    expect((wantedAtMs[seen + 1] ?? 0) - (wantedAtMs[seen] ?? 0)).toBeLessThan(200)
    await b.transfer.stop()
    await stopped
  })

  test('is not held off by proven peers that claim one after another, however many', async () => {
    const clock = createFakeClock()
    const world = createWorld(clock)
    const b = await world.add('b')
    const { leaves } = describeBytes(artifact.digest, artifact.bytes, CHUNK_SIZE)
    const { length } = artifact.bytes
    for (const [turn, name] of ['l', 'm', 'n', 'o', 'p', 'q'].entries()) {
      await world.addPeer(name, [artifact], async ({ type, id }, { send }) => {
        const claim = { size: length - turn, chunkSize: CHUNK_SIZE, leaves, present: undefined }
        await clock.sleep(type === 'want' ? 200 * turn : 240)
        if (type === 'want') await send({ type: 'manifest', id, ...claim })
        else await send({ type: 'status', id, status: 'not-found' })
      })
      b.scores.answered(name, { answerMs: 1, bytes: 1 })
    }
    const origin = originOf(artifact)
    const getting = getBytes(b, artifact.digest, { origin })
    let isOver = false
    void getting.finally(() => (isOver = true))
    const startedMs = clock.now()
    await advanceUntil(clock, () => origin.opened > 0)
    expect(clock.now() - startedMs).toBeLessThan(650)
    await advanceUntil(clock, () => isOver)
    expect((await getting).source).toBe('origin')
  })

  test('that says nothing: unverified bytes are not read, however long it takes', async () => {
    const { clock, b } = await slowWorld()
    const gate = Promise.withResolvers<never>()
    const origin = { ...originOf(artifact), open: async () => gate.promise }
    const read = { bytes: 0, isOver: false }
    const reading = (async () => {
      const { body } = await b.transfer.get(artifact.digest, { origin })
      for await (const part of body) read.bytes += part.byteLength
    })().finally(() => (read.isOver = true))
    const startedMs = clock.now()
    await advanceUntil(clock, () => clock.now() - startedMs > 35_000)
    expect(read).toEqual({ bytes: 0, isOver: false })
    // Once it has failed there is nobody else, and the reader would not wait much longer.
    gate.reject(isDown)
    await advanceUntil(clock, () => read.bytes > 0)
    expect(read.bytes).toBeLessThan(artifact.bytes.byteLength)
    await advanceUntil(clock, () => read.isOver)
    await reading
    expect(read.bytes).toBe(artifact.bytes.byteLength)
  })

  test('is left alone while peers are clearly ahead, and asked again when they stop', async () => {
    const { clock, world, b } = await slowWorld()
    let opened = 0
    let aborted = false
    const drip: Origin = {
      visibility: 'public',
      async open({ signal }) {
        signal.addEventListener('abort', () => (aborted = true))
        const isFirst = ++opened === 1
        const body = (async function* () {
          for (let at = 0; at < artifact.bytes.byteLength; at += 1_000) {
            if (isFirst) await clock.sleep(100)
            yield artifact.bytes.subarray(at, at + 1_000)
          }
        })()
        return { size: artifact.bytes.byteLength, body }
      },
    }
    const getting = getBytes(b, artifact.digest, { origin: drip })
    let isOver = false
    void getting.finally(() => (isOver = true))
    await advanceUntil(clock, () => aborted)
    const leftAloneMs = clock.now()
    await advanceUntil(clock, () => clock.now() - leftAloneMs > 5_000)
    expect({ opened, isOver }).toEqual({ opened: 1, isOver: false })
    world.network.cut('a')
    await advanceUntil(clock, () => isOver)
    expect(opened).toBe(2)
    expect((await getting).source).toBe('origin')
    expect(Buffer.compare((await getting).bytes, artifact.bytes)).toBe(0)
  })
})

describe('stop', () => {
  test('ends what is under way with NODE_STOPPED, also with an origin that is stuck', async () => {
    const node = await createWorld().add('a')
    const never = new Promise<void>(() => undefined)
    const getting = [
      getBytes(node, large.digest, { origin: originOf(large, { gate: never }) }),
      getBytes(node, small.digest, { origin: originOf(small, { gate: never, sized: false }) }),
    ]
    const settled = Promise.allSettled(getting)
    await until(() => node.transfer.activeDownloads === 2)
    await node.transfer.stop()
    for (const outcome of await settled) {
      expect(outcome).toEqual({ status: 'rejected', reason: withCode('NODE_STOPPED') })
    }
    await expect(node.transfer.get(small.digest, {})).rejects.toEqual(withCode('NODE_STOPPED'))
  })
})

function allPresent(chunks: number): Bitfield {
  const present = new Bitfield(chunks)
  for (let index = 0; index < chunks; index++) present.add(index)
  return present
}
