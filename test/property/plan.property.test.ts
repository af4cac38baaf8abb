/**
 * plan.ts against a model: peers that answer, fail, are slow, hold only parts, leave and come back, in any order. Whatever
 * happens, every chunk arrives as long as somebody who has it stays; and the bounds hold at every step.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createPlan, type Plan } from '../../core/src/transfer/chunks/plan.ts'

const CHUNK_MS = 200

interface PeerModel {
  readonly name: string
  /** Chunks it holds; undefined: all. */
  readonly holds: ReadonlySet<number> | undefined
  /** Requests under way, in the order in which they left. */
  readonly owed: Set<number>
  /** Since when it has sent nothing. */
  silentSinceMs: number
  present: boolean
}

interface World {
  readonly plan: Plan
  readonly chunks: number
  readonly window: number
  readonly perPeer: number
  readonly peers: readonly PeerModel[]
  readonly arrived: Set<number>
  nowMs: number
}

const holdings = (chunks: number) =>
  fc.option(fc.uniqueArray(fc.nat(chunks - 1), { maxLength: chunks }), { nil: undefined })

const setups = fc
  .record({ chunks: fc.integer({ min: 1, max: 40 }), window: fc.integer({ min: 1, max: 12 }) })
  .chain(({ chunks, window }) =>
    fc.record({
      chunks: fc.constant(chunks),
      window: fc.constant(window),
      perPeer: fc.integer({ min: 1, max: 5 }),
      holdings: fc.array(holdings(chunks), { minLength: 1, maxLength: 4 }),
    }),
  )

type Step =
  | { readonly do: 'ask'; readonly peer: number }
  | { readonly do: 'arrive' | 'fail'; readonly peer: number; readonly which: number }
  | { readonly do: 'leave' | 'join'; readonly peer: number }
  | { readonly do: 'wait'; readonly ms: number }

const peerIndex = fc.nat(3)
const steps: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('ask' as const), peer: peerIndex }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom('arrive' as const, 'fail' as const),
      peer: peerIndex,
      which: fc.nat(20),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constantFrom('leave' as const, 'join' as const),
      peer: peerIndex,
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.nat(1_500) }) },
)

type Setup = typeof setups extends fc.Arbitrary<infer T> ? T : never

function build(setup: Setup): World {
  const { chunks, window, perPeer } = setup
  const plan = createPlan({ chunks, window, perPeer: () => perPeer })
  const peers = setup.holdings.map((held, index): PeerModel => ({
    name: `peer-${index}`,
    holds: held && new Set(held),
    owed: new Set(),
    silentSinceMs: 0,
    present: false,
  }))
  const world: World = { plan, chunks, window, perPeer, peers, arrived: new Set(), nowMs: 0 }
  for (const peer of peers) join(world, peer)
  return world
}

function join({ plan }: World, peer: PeerModel): void {
  const { holds } = peer
  peer.present = true
  plan.addPeer(peer.name, holds && ((index) => holds.has(index)))
}

function leave({ plan }: World, peer: PeerModel): void {
  peer.present = false
  peer.owed.clear()
  plan.removePeer(peer.name)
}

/** Each chunk takes a while, and one that has been silent may be for as long again. */
function expectedMs({ nowMs }: World, { owed, silentSinceMs }: PeerModel, place: number): number {
  return place * CHUNK_MS + (owed.size > 0 ? nowMs - silentSinceMs : 0)
}

/** Asks once; checks all that must hold of the choice. */
function ask(world: World, peer: PeerModel): number | undefined {
  const { plan, peers, nowMs } = world
  const index = plan.next(peer.name, (name, place) => {
    const found = peers.find((each) => each.name === name)
    if (found === undefined) throw new Error(`asks about ${name}`)
    return expectedMs(world, found, place)
  })
  if (index === undefined) return undefined
  expect(peer.present).toBe(true)
  expect(world.arrived.has(index)).toBe(false)
  expect(peer.holds === undefined || peer.holds.has(index)).toBe(true)
  expect(peer.owed.has(index)).toBe(false)
  expect(peer.owed.size).toBeLessThan(world.perPeer)
  expect(index).toBeGreaterThanOrEqual(plan.firstMissing)
  expect(index).toBeLessThan(plan.firstMissing + world.window)
  const mineMs = expectedMs(world, peer, peer.owed.size + 1)
  for (const other of peers) {
    const place = [...other.owed].indexOf(index) + 1
    if (place > 0) expect(expectedMs(world, other, place)).toBeGreaterThan(2 * mineMs)
  }
  plan.asked(peer.name, index)
  if (peer.owed.size === 0) peer.silentSinceMs = nowMs
  peer.owed.add(index)
  expect(plan.owes(peer.name)).toBe(peer.owed.size)
  return index
}

function arrive(world: World, from: PeerModel, index: number): void {
  from.silentSinceMs = world.nowMs
  expect(world.plan.arrived(index)).toBe(!world.arrived.has(index))
  world.arrived.add(index)
  for (const peer of world.peers) peer.owed.delete(index)
  check(world)
}

function check({ plan, arrived, peers, chunks }: World): void {
  expect(plan.present).toBe(arrived.size)
  expect(plan.complete).toBe(arrived.size === chunks)
  expect(arrived.has(plan.firstMissing)).toBe(false)
  for (let index = 0; index < plan.firstMissing; index++) expect(arrived.has(index)).toBe(true)
  for (let index = 0; index < chunks; index++)
    expect(plan.isPresent(index)).toBe(arrived.has(index))
  for (const peer of peers) expect(plan.owes(peer.name)).toBe(peer.owed.size)
  expect([...plan.peers].sort()).toEqual(
    peers.filter(({ present }) => present).map(({ name }) => name),
  )
}

function take(world: World, step: Step): void {
  if (step.do === 'wait') {
    world.nowMs += step.ms
    return
  }
  const peer = world.peers[step.peer]
  if (peer === undefined) return
  switch (step.do) {
    case 'ask':
      ask(world, peer)
      break
    case 'join':
      join(world, peer)
      break
    case 'leave':
      leave(world, peer)
      break
    case 'arrive':
    case 'fail': {
      const index = [...peer.owed][step.which % Math.max(1, peer.owed.size)]
      if (index === undefined) return
      if (step.do === 'arrive') return arrive(world, peer, index)
      peer.owed.delete(index)
      world.plan.failed(peer.name, index)
    }
  }
  check(world)
}

/** Everybody answers all they are asked, round by round, until nobody is asked any more. */
function finish(world: World): void {
  for (let round = 0; round <= world.chunks * 4; round++) {
    world.nowMs += CHUNK_MS
    for (const peer of world.peers) {
      if (!peer.present) continue
      for (const index of [...peer.owed]) arrive(world, peer, index)
      while (ask(world, peer) !== undefined) {
        // as many as it may owe
      }
    }
    if (world.plan.complete) return
  }
}

describe('plan', () => {
  test('keeps its bounds, and every chunk arrives, whatever happens before', () => {
    fc.assert(
      fc.property(setups, fc.array(steps, { maxLength: 150 }), (setup, script) => {
        const world = build(setup)
        for (const step of script) take(world, step)
        for (const peer of world.peers) if (!peer.present) join(world, peer)
        // One more that holds everything: what nobody else has must not hold the others up.
        const whole: PeerModel = {
          name: 'peer-9',
          holds: undefined,
          owed: new Set(),
          silentSinceMs: 0,
          present: false,
        }
        const complete = { ...world, peers: [...world.peers, whole] }
        join(complete, whole)
        finish(complete)
        expect(complete.plan.complete).toBe(true)
      }),
      { numRuns: 300 },
    )
  })

  /** All take 100 ms for a chunk, but for those that are said to stay silent for longer. */
  const expected =
    (silentMs: Record<string, number> = {}) =>
    (peer: string, place: number): number =>
      place * 100 + (silentMs[peer] ?? 0)

  test('a peer that would wait takes the end of the longest queue', () => {
    const plan = createPlan({ chunks: 6, window: 8, perPeer: () => 8 })
    for (const peer of ['a', 'b', 'c']) plan.addPeer(peer, undefined)
    for (const index of [0, 1, 2, 3]) plan.asked('a', index)
    for (const index of [4, 5]) plan.asked('b', index)
    expect(plan.next('c', expected())).toBe(3)
    plan.asked('c', 3)
    // One more would come from c no earlier than half of what it takes a.
    expect(plan.next('c', expected())).toBeUndefined()
    expect(plan.next('b', expected())).toBeUndefined()
    plan.arrived(3)
    expect([plan.owes('a'), plan.owes('c')]).toEqual([3, 0])
    expect(plan.next('c', expected())).toBe(2)
  })

  test('what a silent peer owes goes to another, and on to a third when that is silent too', () => {
    const plan = createPlan({ chunks: 1, window: 8, perPeer: () => 8 })
    for (const peer of ['a', 'b', 'c']) plan.addPeer(peer, undefined)
    plan.asked('a', 0)
    expect(plan.next('b', expected({ a: 149 }))).toBeUndefined()
    expect(plan.next('b', expected({ a: 150 }))).toBe(0)
    plan.asked('b', 0)
    expect(plan.next('c', expected({ a: 1_000, b: 149 }))).toBeUndefined()
    expect(plan.next('c', expected({ a: 1_000, b: 150 }))).toBe(0)
    plan.removePeer('a')
    plan.removePeer('b')
    expect(plan.next('c', expected())).toBe(0)
  })

  test('the first missing one, then rarest first where peers hold only parts', () => {
    const plan = createPlan({ chunks: 4, window: 8, perPeer: () => 8 })
    plan.addPeer('all', undefined)
    plan.addPeer('some', (index) => index !== 2)
    for (const index of [0, 2, 1]) {
      expect(plan.next('all', expected())).toBe(index)
      plan.asked('all', index)
    }
  })

  test('of a peer that many ask it begins elsewhere, not far ahead; of others with what all behind it waits for', () => {
    const from = (peer: string): number | undefined => (peer === 'shared' ? 0.99 : undefined)
    const plan = createPlan({ chunks: 100, window: 32, perPeer: () => 40, from })
    plan.addPeer('shared', undefined)
    plan.addPeer('other', (index) => index < 20)
    expect(plan.next('other', expected())).toBe(0)
    // Those that nobody else has come first, and of the rest those from there on.
    const asked: (number | undefined)[] = []
    for (let count = 0; count < 32; count++) {
      const index = plan.next('shared', expected())
      asked.push(index)
      if (index !== undefined) plan.asked('shared', index)
    }
    expect(asked.slice(0, 12)).toEqual([20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31])
    expect(asked.slice(12, 16)).toEqual([15, 0, 1, 2])
    expect(asked.slice(-4)).toEqual([16, 17, 18, 19])
  })
})
