/** Machines that share what their registries send: one of them fetches each artifact, whatever the others do meanwhile. */
import { describe, expect, test, vi } from 'vitest'
import { blob, CHUNK_SIZE, type Blob } from '../../../test/support/blobs.ts'
import { createFakeClock } from '../../../test/support/fake-clock.ts'
import { answering, serving } from '../../../test/support/hostile-peer.ts'
import {
  createWorld,
  getBytes,
  originOf,
  type Node,
  type TestOrigin,
  type World,
} from '../../../test/support/transfer-world.ts'
import { recordOf } from '../../../test/support/records.ts'
import { nameKeyOf, type PackageVersion } from '../content/name-key.ts'
import { CatalogError } from '../errors.ts'
import type { ByteStream } from '../host/host.ts'
import type { NodeOptions } from '../options.ts'
import { describeBytes } from '../content/manifest.ts'
import {
  encodeAnswer,
  TRANSFER_PROTOCOL,
  type Answer,
  type WantFetch,
} from '../wire/transfer-messages.ts'

const versionOf = ({ digest }: Blob): PackageVersion => ({
  ...{ registry: 'http://registry.test/', name: 'pkg', version: digest.slice(-12) },
})
const smalls = Array.from({ length: 24 }, (_, index) => blob(2_000 + index, 100 + index))
const large = blob(9 * CHUNK_SIZE + 11, 2)

interface Machine extends Node {
  readonly name: string
  /** What this machine's registry has been asked for. */
  readonly origins: Map<string, TestOrigin>
  want(artifact: Blob, gate?: Promise<void>): Promise<{ bytes: Buffer; source: string }>
}

/** A machine with a registry of its own that has everything, and that fetches for the others. */
async function machine(
  world: World,
  name: string,
  artifacts: readonly Blob[],
  transfer: NodeOptions['transfer'] = {},
): Promise<Machine> {
  const node = await world.add(name, transfer)
  const origins = new Map<string, TestOrigin>()
  const origin = (artifact: Blob, gate?: Promise<void>): TestOrigin => {
    const made = originOf(artifact, gate && { gate })
    origins.set(artifact.digest, origins.get(artifact.digest) ?? made)
    return made
  }
  node.fleet.serve(async ({ digest }) => {
    const artifact = artifacts.find((each) => each.digest === digest)
    if (artifact === undefined) throw new CatalogError('NOT_FOUND', 'nothing of that name')
    await getBytes(node, artifact.digest, { origin: origin(artifact) })
    return artifact.digest
  })
  return {
    ...{ ...node, name, origins },
    want: (artifact, gate) =>
      getBytes(node, artifact.digest, {
        origin: origin(artifact, gate),
        fetchAs: versionOf(artifact),
      }),
  }
}

async function fleetOf(
  world: World,
  names: readonly string[],
  artifacts: readonly Blob[],
  transfer: NodeOptions['transfer'] = {},
): Promise<Machine[]> {
  const machines: Machine[] = []
  for (const name of names) {
    const added = await machine(world, name, artifacts, transfer)
    for (const other of machines) await added.host.connect(other.name, { signal: soon() })
    machines.push(added)
  }
  return machines
}

const ONE_CHUNK = {
  ...{ chunkSize: CHUNK_SIZE, leaves: new Uint8Array(0), present: undefined },
}

function described({ digest, bytes }: Blob): { size: number; leaves: Uint8Array } {
  const { manifest, leaves } = describeBytes(digest, bytes, CHUNK_SIZE)
  return { size: manifest.size, leaves }
}

/** A peer that answers requests to fetch as told, and nothing else. */
async function hostile(
  world: World,
  name: string,
  answer: (request: WantFetch) => Answer[],
): Promise<void> {
  const node = await world.add(name)
  const serve = answering(
    async () => undefined,
    (request) => (request.type === 'want-fetch' ? answer(request) : []),
  )
  node.host.handle(TRANSFER_PROTOCOL, serve, { maxStreamsPerPeer: 8 })
}

const soon = (): AbortSignal => AbortSignal.timeout(5_000)
const opened = (machines: readonly Machine[], artifact: Blob): number =>
  machines.reduce((sum, { origins }) => sum + (origins.get(artifact.digest)?.opened ?? 0), 0)

describe('a fleet', () => {
  test('starts cold on the same artifacts: the registry sends each of them once', async () => {
    const all = [...smalls, large]
    const machines = await fleetOf(createWorld(), ['a', 'b', 'c', 'd'], all)
    await Promise.all(
      machines.flatMap((each) =>
        all.map(async (artifact) => {
          const { bytes } = await each.want(artifact)
          expect(Buffer.compare(bytes, artifact.bytes)).toBe(0)
        }),
      ),
    )
    for (const small of smalls) expect(opened(machines, small)).toBe(1)
    expect(opened(machines, large)).toBeLessThanOrEqual(2)
    const shares = machines.map(({ fleet }) => fleet.stats().fetched)
    expect(shares.filter((share) => share > 0).length).toBeGreaterThan(1)
  })

  test('passes what is large on among its machines, while it arrives at them', async () => {
    const names = ['a', 'b', 'c', 'd']
    const larger = blob(40 * CHUNK_SIZE, 3)
    const machines = await fleetOf(createWorld(), names, [larger], { uploadRate: 1_500_000 })
    const [delegate, ...others] = machines
    if (delegate === undefined) throw new Error('no machines')
    for (const each of others) Object.assign(each.fleet, { delegateOf: () => delegate.name })
    await Promise.all(others.map((each) => each.want(larger)))
    expect(others.some(({ transfer }) => transfer.uploads.bytes > 0)).toBe(true)
  })

  test('two that each take the other for the delegate do not wait for each other', async () => {
    const world = createWorld()
    const [a, b] = await fleetOf(world, ['a', 'b'], smalls)
    if (a === undefined || b === undefined) throw new Error('no machines')
    const [artifact = large] = smalls
    for (const each of [a, b]) {
      const other = each === a ? b.name : a.name
      Object.assign(each.fleet, { delegateOf: () => other })
    }
    const got = await Promise.all([a.want(artifact), b.want(artifact)])
    for (const { bytes } of got) expect(Buffer.compare(bytes, artifact.bytes)).toBe(0)
  })

  test('asks nobody about what is private, or has no name', async () => {
    const world = createWorld()
    const [a, b] = await fleetOf(world, ['a', 'b'], smalls)
    if (a === undefined || b === undefined) throw new Error('no machines')
    Object.assign(a.fleet, { delegateOf: () => b.name })
    const [first = large, second = large, third = large] = smalls
    const fetchAs = (artifact: Blob) => ({ fetchAs: versionOf(artifact) })
    const secret = originOf(first, { visibility: 'private' })
    await getBytes(a, first.digest, { origin: secret, peers: false, ...fetchAs(first) })
    const careful = originOf(second)
    await getBytes(a, second.digest, { origin: careful, peers: false, ...fetchAs(second) })
    await getBytes(a, third.digest, { origin: originOf(third) })
    expect(b.fleet.stats().fetched).toBe(0)
  })

  test('a delegate whose registry has not got it is no worse for it', async () => {
    const world = createWorld()
    const [a, b] = await fleetOf(world, ['a', 'b'], [])
    if (a === undefined || b === undefined) throw new Error('no machines')
    const [artifact = large] = smalls
    Object.assign(a.fleet, { delegateOf: () => b.name })
    expect((await a.want(artifact)).source).toBe('origin')
    expect(a.fleet.stats()).toMatchObject({ members: 1, failed: 0 })
  })
})

describe('a neighbour that lists the name of what it has', () => {
  test('sends the signature with it, as a delegate does; one that is known is not sent', async () => {
    const world = createWorld()
    const [a, b] = await fleetOf(world, ['a', 'b'], [])
    if (a === undefined || b === undefined) throw new Error('no machines')
    for (const [index, artifact] of [large, ...smalls.slice(0, 2)].entries()) {
      const record = recordOf(artifact.digest, { version: `${index}.0.0` })
      await b.put(artifact)
      await b.records.add(record)
      if (index < 2) b.discovery.announceName(nameKeyOf(record))
      const how = { origin: originOf(artifact), fetchAs: record }
      expect((await getBytes(a, artifact.digest, how)).source).toBe('peer')
      expect(a.records.find(record)).toEqual(index < 2 ? record : undefined)
    }
    expect(b.fleet.stats().fetched).toBe(0)
  })

  test('is asked before a delegate; one that has it without the signature after that', async () => {
    const [a, b, c] = await fleetOf(createWorld(), ['a', 'b', 'c'], smalls)
    if (a === undefined || b === undefined || c === undefined) throw new Error('no machines')
    Object.assign(a.fleet, { delegateOf: () => c.name })
    for (const [index, artifact] of smalls.slice(0, 2).entries()) {
      const record = recordOf(artifact.digest, { version: `${index}.0.0` })
      await b.put(artifact)
      await (index === 0 ? b : c).records.add(record)
      if (index === 0) b.discovery.announceName(nameKeyOf(record))
      const how = { origin: originOf(artifact), fetchAs: record }
      expect((await getBytes(a, artifact.digest, how)).source).toBe('peer')
      expect(a.records.find(record)).toEqual(record)
      expect(c.fleet.stats().fetched).toBe(index)
    }
  })

  test.each([
    ['lies about it is banned', { verdict: 'invalid' }, ['liar']],
    ['has another version is banned', { version: '6.6.6' }, ['liar']],
    ['has other bytes under it is left', {}, []],
  ])('and %s, and the registry gives it', async (_, how, bans) => {
    const world = createWorld()
    const a = await machine(world, 'a', smalls)
    const [artifact = large, other = large] = smalls
    const version = recordOf(artifact.digest)
    const record = recordOf(bans.length > 0 ? artifact.digest : other.digest, how)
    const liar = await world.add('liar')
    const answers = (id: number): Answer[] => [
      { type: 'record', id, record },
      { type: 'manifest', id, size: artifact.bytes.length, ...ONE_CHUNK },
      { type: 'chunk', id, index: 0, encoding: 'none', bytes: artifact.bytes },
    ]
    const serve = answering(
      async () => undefined,
      ({ type, id }) =>
        type === 'want-named' ? answers(id) : [{ type: 'status', id, status: 'refused' }],
    )
    liar.host.handle(TRANSFER_PROTOCOL, serve, { maxStreamsPerPeer: 8 })
    liar.discovery.announce(artifact.digest)
    liar.discovery.announceName(nameKeyOf(version))
    await a.host.connect('liar', { signal: soon() })
    const origin = originOf(artifact)
    const got = await getBytes(a, artifact.digest, { origin, fetchAs: version })
    expect(got.source).toBe('origin')
    expect(a.bans).toEqual(bans)
    expect(a.records.find({ ...version, version: '6.6.6' })).toBeUndefined()
  })
})

describe('a delegate', () => {
  test('that fetches for nobody is left out from then on', async () => {
    const world = createWorld()
    const a = await machine(world, 'a', smalls)
    await world.add('lazy')
    await a.host.connect('lazy', { signal: soon() })
    for (const artifact of smalls) expect((await a.want(artifact)).source).toBe('origin')
    expect(a.fleet.stats()).toMatchObject({ members: 0, failed: 1 })
  })

  test('that stays silent costs a fifth of a second each time, and is not asked for ever', async () => {
    const clock = createFakeClock()
    const world = createWorld(clock)
    const a = await machine(world, 'a', smalls)
    await hostile(world, 'mute', () => [])
    await a.host.connect('mute', { signal: soon() })
    const its = smalls.filter((each) => a.fleet.delegateOf(versionOf(each)) === 'mute')
    for (const artifact of its.slice(0, 5)) {
      let isDone = false
      const wanted = a.want(artifact).finally(() => (isDone = true))
      await clock.advance(199)
      expect(isDone).toBe(false)
      await clock.advance(1)
      expect((await wanted).source).toBe('origin')
      await clock.advance(500)
    }
    expect(its.length).toBeGreaterThan(5)
    expect(a.fleet.stats()).toMatchObject({ members: 0, failed: 5 })
  })

  test('that was only busy is waited for after all, and the registry need not send what is large twice', async () => {
    const world = createWorld()
    const a = await machine(world, 'a', [large])
    const busy = await world.add('busy')
    const { size, leaves } = described(large)
    const isSo = async (of: keyof TestOrigin): Promise<void> =>
      void (await vi.waitUntil(() => a.origins.get(large.digest)?.[of], { timeout: 10_000 }))
    const late = async (stream: ByteStream, id: number): Promise<void> => {
      await isSo('opened')
      await stream.write(encodeAnswer({ type: 'fetching', id }))
      // Without that it would never come.
      await isSo('aborted')
      await stream.write(encodeAnswer({ type: 'manifest', id, size, ...ONE_CHUNK, leaves }))
    }
    const serve = serving(large.bytes, CHUNK_SIZE)
    busy.host.handle(
      TRANSFER_PROTOCOL,
      (stream) => answering(serve, ({ id }) => (void late(stream, id), []))(stream),
      { maxStreamsPerPeer: 8 },
    )
    await a.host.connect('busy', { signal: soon() })
    Object.assign(a.fleet, { delegateOf: () => 'busy' })
    const { bytes, source } = await a.want(large, new Promise(() => undefined))
    expect(source).toBe('peer')
    expect(Buffer.compare(bytes, large.bytes)).toBe(0)
    expect(a.fleet.stats()).toMatchObject({ received: 1, misses: { silent: 1 } })
  })

  test('that dies on the way costs nothing more than its death', async () => {
    const world = createWorld()
    const a = await machine(world, 'a', smalls)
    const mortal = await world.add('mortal')
    const died = Promise.withResolvers<never>()
    mortal.fleet.serve(() => {
      void mortal.host.stop().finally(() => died.reject(new Error('dead')))
      return died.promise
    })
    await a.host.connect('mortal', { signal: soon() })
    Object.assign(a.fleet, { delegateOf: () => 'mortal' })
    const [artifact = large] = smalls
    expect((await a.want(artifact)).source).toBe('origin')
  })

  test('that sends other bytes is found out, and the registry gives the right ones', async () => {
    const world = createWorld()
    const a = await machine(world, 'a', smalls)
    const lie = Buffer.from('not what was asked for')
    await hostile(world, 'liar', ({ id }) => [
      { type: 'manifest', id, size: lie.length, ...ONE_CHUNK },
      { type: 'chunk', id, index: 0, encoding: 'none', bytes: lie },
    ])
    await a.host.connect('liar', { signal: soon() })
    Object.assign(a.fleet, { delegateOf: () => 'liar' })
    const [artifact = large] = smalls
    const { bytes, source } = await a.want(artifact)
    expect({ source, same: Buffer.compare(bytes, artifact.bytes) }).toEqual({
      source: 'origin',
      same: 0,
    })
    expect(a.bans).toEqual(['liar'])
  })

  test.each([
    ['with a false signature', { verdict: 'invalid' }],
    ['of another version', { version: '6.6.6' }],
  ] as const)(
    'that sends a record %s is found out, with it or without a digest',
    async (_, how) => {
      const world = createWorld()
      const [a, b] = [await machine(world, 'a', smalls), await machine(world, 'b', smalls)]
      const [artifact = large] = smalls
      await hostile(world, 'liar', ({ id }) => [
        { type: 'record', id, record: recordOf(artifact.digest, how) },
        { type: 'manifest', id, size: artifact.bytes.length, ...ONE_CHUNK },
        { type: 'chunk', id, index: 0, encoding: 'none', bytes: artifact.bytes },
      ])
      for (const each of [a, b]) {
        await each.host.connect('liar', { signal: soon() })
        Object.assign(each.fleet, { delegateOf: () => 'liar' })
      }
      const fetchAs = recordOf(artifact.digest)
      const signal = soon()
      expect(await a.transfer.resolve(fetchAs, { signal, fetch: true })).toBeUndefined()
      const origin = originOf(artifact)
      expect((await getBytes(b, artifact.digest, { origin, fetchAs })).source).toBe('origin')
      for (const { bans, records } of [a, b]) {
        expect([bans, records.find(fetchAs)]).toEqual([['liar'], undefined])
      }
    },
  )

  test('fetches for its own network only', async () => {
    const world = createWorld()
    const a = await machine(world, 'a', smalls)
    const b = await machine(world, 'b', smalls)
    await a.host.connect('b', { signal: soon() })
    world.neighbours.clear()
    Object.assign(a.fleet, { delegateOf: () => 'b' })
    const [artifact = large] = smalls
    expect((await a.want(artifact)).source).toBe('origin')
    expect(b.origins.size).toBe(0)
  })
})
