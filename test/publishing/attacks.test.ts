/**
 * What peers and DHT servers may try with heads, one test a line of docs/threat-model.md: against a whole node, in a network in
 * memory, by hosts that list a head and answer, or put values, as an honest one never would.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  createNode,
  decodeCanonical,
  encodeCanonical,
  isCatalogError,
  keyIdOf,
  type CanonicalValue,
  type CatalogNode,
  type HybridKey,
} from '@catalog-p2p/core'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { digestOf, digestToBytes } from '../../core/src/content/digest.ts'
import { createSwarmDiscovery } from '../../core/src/discovery/swarm-discovery.ts'
import { createMemoryNetwork, type MemoryNetwork } from '../../core/src/host/memory-host.ts'
import type { Host } from '../../core/src/host/host.ts'
import { silentLogger } from '../../core/src/log.ts'
import { headKeyOf, headValueKey } from '../../core/src/publications/head-key.ts'
import { signHeadPointer } from '../../core/src/publications/head-pointer.ts'
import { openHead, signHead, type HeadFields } from '../../core/src/publications/head.ts'
import { HEADS } from '../../core/src/publications/heads-protocol.ts'
import { createAnswering } from '../../core/src/rpc/answer.ts'
import { systemClock } from '../../core/src/timing/clock.ts'
import { answering, hostilePeer, serving } from '../support/hostile-peer.ts'
import { bytesOf, keyOf, packageOf, signalOf } from '../support/registries/publishing.ts'
import { until } from '../support/until.ts'

const key = keyOf('ann')
const mallory = keyOf('mallory')
const publisher = keyIdOf(key.publicKey)
const NAME = 'tool'
const ID = { name: NAME, publisher }
const headKey = headKeyOf(ID)
const SOME = digestOf(Buffer.from('some release'))

let network: MemoryNetwork
let cleanups: (() => Promise<unknown>)[]
beforeEach(() => {
  network = createMemoryNetwork()
  cleanups = []
})
afterEach(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup()
})

async function node(name: string, options: { path?: string; dht?: boolean } = {}) {
  const { path, dht = false } = options
  const made = await createNode(
    { network: { dht, peerExchange: false }, ...(path !== undefined && { store: { path } }) },
    { host: network.createHost(name), trustsPublisher: (id) => id.publisher === publisher },
  )
  cleanups.push(() => made.close())
  return made
}

/** Lists the head, and answers whoever asks for it with these bytes. */
async function liar(name: string, answer: () => Uint8Array): Promise<Host> {
  const host = network.createHost(name)
  const deps = { host, clock: systemClock, random: Math.random, log: silentLogger }
  const onMisbehaviour = (): void => undefined
  const discovery = createSwarmDiscovery(
    { ...deps, onMisbehaviour },
    { peerExchange: false, dht: false, targetPeers: 0 },
  )
  const protocol = { ...HEADS, response: { ...HEADS.response, maxBytes: 4 * 1024 * 1024 } }
  const answering = createAnswering({ ...deps, onMisbehaviour }, protocol, {
    maxStreamsPerPeer: 8,
    answer: async () => answer(),
  })
  answering.start()
  await host.start()
  await discovery.start()
  discovery.announceName(headKey)
  cleanups.push(async () => {
    await discovery.stop()
    await host.stop()
  })
  return host
}

/** Connected, and the victim has heard that the other has the head. */
async function meet(victim: CatalogNode, other: { readonly id: string }): Promise<void> {
  await victim.connect(`/memory/${other.id}`)
  await until(() => victim.questions.holders(headKey).includes(other.id))
}

const look = (victim: CatalogNode) => victim.publications.head(ID, { ...signalOf(), maxAgeMs: 0 })

function headOf(how: Partial<HeadFields> = {}): HeadFields {
  return {
    ...{ name: NAME, sequence: 1, previous: undefined, changedAtMs: 1, unpublished: [] },
    releases: new Map([['1.0.0', { statement: SOME }]]),
    tags: new Map(),
    ...how,
  }
}

/** The head as `signer` says it, under Ann's public key, each half signed by whom it says. */
function halfForged(halves: { readonly ed25519: HybridKey; readonly falcon: HybridKey }) {
  const [type, , body] = decodeCanonical(signHead(headOf(), key), { maxBytes: 10_000 }) as [
    string,
    Uint8Array,
    Uint8Array,
  ]
  const message = encodeCanonical(['catalog-p2p statement 1', type, key.publicKey, body])
  const signature = halves.falcon.sign(message)
  signature.set(halves.ed25519.sign(message).subarray(1, 65), 1)
  return encodeCanonical([type, key.publicKey, body, signature] satisfies CanonicalValue)
}

describe('a peer that answers for a head', () => {
  test.each<[string, () => Uint8Array]>([
    ['signed by somebody else', () => signHead(headOf(), mallory)],
    ['of another package of the same publisher', () => signHead(headOf({ name: 'other' }), key)],
    ['with a forged Ed25519 half', () => halfForged({ ed25519: mallory, falcon: key })],
    ['with a forged Falcon half', () => halfForged({ ed25519: key, falcon: mallory })],
    ['with both halves forged', () => halfForged({ ed25519: mallory, falcon: mallory })],
    ['that is no statement', () => Buffer.from('not a statement')],
    ['of 2 MiB', () => Buffer.alloc(2 * 1024 * 1024, 1)],
  ])('%s is believed nothing, and banned', async (_what, answer) => {
    const victim = await node('victim')
    const peer = await liar('liar', answer)
    await meet(victim, peer)
    expect(await look(victim)).toBeUndefined()
    expect(victim.stats().bannedPeers).toBe(1)
    expect(victim.publications.knownHead({ name: 'other', publisher })).toBeUndefined()
  })

  test('(both halves genuine, it would have been believed)', async () => {
    const victim = await node('victim')
    await meet(victim, await liar('honest', () => halfForged({ ed25519: key, falcon: key })))
    expect((await look(victim))?.sequence).toBe(1)
  })

  test('is not asked for a change that nobody may hear of, and what it knows is not changed', async () => {
    const ann = await node('ann')
    const { publications } = ann
    const { head } = await publications.publish(packageOf(NAME, '1.0.0'), key, signalOf())
    const known = publications.offered(head) ?? Buffer.alloc(0)
    let asked = 0
    const holder = await liar('holder', () => {
      asked += 1
      return known
    })
    await meet(ann, holder)
    const change = { tags: { next: '1.0.0' } }
    const options = { key, ...signalOf() }
    const hidden = publications.change(NAME, change, { ...options, visibility: 'private' })
    await expect(hidden).rejects.toMatchObject({ code: 'INVALID_OPTIONS' })
    expect(publications.told()).toEqual([head])
    expect(asked).toBe(0)
    expect((await publications.change(NAME, change, options)).sequence).toBe(2)
    expect(asked).toBe(1)
  })

  test('a replayed old head changes nothing, not even after a restart', async () => {
    const path = await mkdtemp(join(tmpdir(), 'catalog-heads-'))
    cleanups.push(() => rm(path, { recursive: true }))
    const first = signHead(headOf(), key)
    const second = signHead(headOf({ sequence: 2, previous: digestOf(first) }), key)
    const before = await node('before', { path })
    await meet(before, await liar('honest', () => second))
    expect((await look(before))?.sequence).toBe(2)
    await before.close()

    const victim = await node('victim', { path })
    await meet(victim, await liar('replays', () => first))
    expect((await look(victim))?.sequence).toBe(2)
    expect(victim.stats().bannedPeers).toBe(1)
  })

  test.each([
    ['of the same number', { sequence: 2, changedAtMs: 9, previous: SOME }],
    ['that follows another one than ours', { sequence: 3, previous: SOME }],
  ])('a second head %s is a fork: refused, both kept as evidence', async (_what, how) => {
    const victim = await node('victim')
    const ours = signHead(headOf({ sequence: 2, previous: SOME }), key)
    const theirs = signHead(headOf(how), key)
    let answer = ours
    await meet(victim, await liar('peer', () => answer))
    expect((await look(victim))?.digest).toBe(digestOf(ours))
    answer = theirs
    expect((await look(victim))?.digest).toBe(digestOf(ours))
    // Who passes it on may have seen no other.
    expect(victim.stats().bannedPeers).toBe(0)
    const [fork, ...others] = victim.publications.forks()
    expect(others).toEqual([])
    expect(fork?.statements.map((each) => digestOf(each))).toEqual([ours, theirs].map(digestOf))
    // A later head heals it; and what is forgotten is believed anew.
    answer = signHead(headOf({ sequence: 5, previous: SOME }), key)
    expect((await look(victim))?.sequence).toBe(5)
    answer = ours
    expect(victim.publications.forget(ID)).toBe(true)
    expect(victim.publications.forks()).toEqual([])
    expect((await look(victim))?.sequence).toBe(2)
  })
})

describe('a DHT', () => {
  /** Puts whatever it likes, under whatever key. */
  async function poison(name: string, value: Uint8Array): Promise<void> {
    const host = network.createHost(name)
    const anything = { prefix: 'catalog-head', validate: () => undefined, select: () => 0 }
    host.routing?.acceptValues(anything)
    await host.start()
    cleanups.push(() => host.stop())
    await host.routing?.putValue(headValueKey(headKey), value, signalOf())
  }

  const published = signHead(headOf({ sequence: 7, previous: SOME }), key)

  test.each<[string, () => Uint8Array]>([
    ['a forged head', () => halfForged({ ed25519: key, falcon: mallory })],
    [
      'a head of another publisher',
      () => signHead(headOf({ sequence: 99, previous: SOME }), mallory),
    ],
    ['an old head', () => signHead(headOf(), key)],
    [
      'a pointer of another publisher',
      () => {
        const theirs = openHead(signHead(headOf({ sequence: 99, previous: SOME }), mallory))
        return signHeadPointer(theirs, mallory)
      },
    ],
    ['bytes of no form', () => Buffer.alloc(8 * 1024, 0x81)],
  ])('%s does not take the place of the newest', async (_what, value) => {
    await poison('poisoner', value())
    await poison('server', published)
    const victim = await node('victim', { dht: true })
    expect((await look(victim))?.digest).toBe(digestOf(published))
  })

  test('poisoned provider records cost a try: of who has nothing, and of who has other bytes', async () => {
    const bytes = Buffer.from('the tarball')
    const digest = digestOf(bytes)
    const provide = (host: Host) => host.routing?.provide(digestToBytes(digest), signalOf())
    const empty = network.createHost('has nothing')
    await empty.start()
    const behave = answering(serving(Buffer.from('another'), 64 * 1024))
    const liar = await hostilePeer({ host: network.createHost('has other bytes'), behave })
    cleanups.push(async () => {
      await Promise.all([empty.stop(), liar[Symbol.asyncDispose]()])
    })
    for (const host of [empty, liar.host]) await provide(host)
    const victim = await node('victim', { dht: true })
    await expect(bytesOf(victim, digest)).rejects.toSatisfy((error) => isCatalogError(error))
    expect(victim.has(digest)).toBe(false)
    expect(victim.stats().misbehaviour).toBe(1)

    const host = network.createHost('honest')
    const honest = await createNode({ network: { dht: true } }, { host })
    cleanups.push(() => honest.close())
    await honest.put(bytes, { visibility: 'public' })
    await provide(host)
    expect(await bytesOf(await node('another', { dht: true }), digest)).toEqual(bytes)
  })

  test('a pointer to a head that nobody has leads nowhere', async () => {
    await poison('server', signHeadPointer({ ...openHead(published), digest: SOME }, key))
    const victim = await node('victim', { dht: true })
    expect(await look(victim)).toBeUndefined()
  })

  test('a server of ours keeps no older head than it knows', async () => {
    const host = network.createHost('ann')
    if (host.routing === undefined) throw new Error('a host without routing')
    const accepted = vi.spyOn(host.routing, 'acceptValues')
    const ann = await createNode({}, { host })
    cleanups.push(() => ann.close())
    const kind = accepted.mock.calls[0]?.[0]
    const { head } = await ann.publications.publish(packageOf(NAME, '1.0.0'), key, signalOf())
    const change = { deprecations: { '1.0.0': 'old' } }
    const newer = await ann.publications.change(NAME, change, { key, ...signalOf() })
    expect(newer.sequence).toBe(2)
    const older = signHead({ ...head, changedAtMs: 1 }, key)
    expect(() => kind?.validate(headValueKey(headKey), older)).toThrow('a newer one is known')
  })

  test('hears of nothing that is private, not even a hash', async () => {
    const host = network.createHost('ann')
    if (host.routing === undefined) throw new Error('a host without routing')
    const heard = [vi.spyOn(host.routing, 'findValue'), vi.spyOn(host.routing, 'putValue')]
    const ann = await createNode({}, { host })
    cleanups.push(() => ann.close())
    const input = packageOf(NAME, '1.0.0', { visibility: 'private' })
    await ann.publications.publish(input, key, signalOf())
    const options = { key, ...signalOf() }
    await ann.publications.change(NAME, { tags: { next: '1.0.0' } }, options)
    expect((await look(ann))?.sequence).toBe(2)
    await ann.publications.publish(packageOf('open', '1.0.0'), key, signalOf())
    // The other one they hear of: it is looked for, and put.
    await until(() => heard.every(({ mock }) => mock.calls.length > 0))
    const keys = heard.flatMap(({ mock }) => mock.calls.map(([each]) => each))
    expect(keys).not.toContain(headValueKey(headKey))
  })

  test('a head that is too large for a value is found by its pointer', async () => {
    const ann = await node('ann', { dht: true })
    const middle = await node('middle', { dht: true })
    await ann.connect(`/memory/${middle.id}`)
    const tags = Array.from({ length: 80 }, (_, index) => `${'tag'.padEnd(100, '-')}${index}`)
    const input = packageOf(NAME, '1.0.0', { tags })
    const { head, release } = await ann.publications.publish(input, key, signalOf())
    await until(() => ann.stats().network.announceBacklog === 0)

    const reader = await node('reader', { dht: true })
    await reader.connect(`/memory/${middle.id}`)
    expect((await look(reader))?.digest).toBe(head.digest)
    expect(await reader.publications.releases(head, signalOf())).toEqual([release])
  })
})
