import { afterEach, describe, expect, it } from 'vitest'
import { createCollectingLogger } from '../../../../test/support/collecting-logger.ts'
import { createFakeClock, type FakeClock } from '../../../../test/support/fake-clock.ts'
import { digestOf, digestToBytes, type Digest } from '../../content/digest.ts'
import type { Host, ContentRouting } from '../../host/host.ts'
import { createMemoryNetwork } from '../../host/memory-host.ts'
import { AnnouncePlan } from './announce-plan.ts'
import { Announcer } from './announcer.ts'

const HOUR_MS = 3_600_000
const digest = (name: string | number): Digest => digestOf(Buffer.from(`${name}`))
const digests = (count: number): Digest[] => Array.from({ length: count }, (_, i) => digest(i))
const free = (): boolean => true

/** Remembers what was provided when, and fails or hangs on demand. */
class ScriptedRouting implements ContentRouting {
  readonly provided: { key: string; atMs: number }[] = []
  readonly withdrawn: string[] = []
  active = 0
  mostActive = 0
  behaviour: 'well' | 'fails' | 'hangs' = 'well'
  takesMs = 1000
  readonly #clock: FakeClock

  constructor(clock: FakeClock) {
    this.#clock = clock
  }

  async provide(key: Uint8Array, { signal }: { signal: AbortSignal }): Promise<void> {
    this.active += 1
    this.mostActive = Math.max(this.mostActive, this.active)
    try {
      await this.#clock.sleep(this.behaviour === 'hangs' ? HOUR_MS : this.takesMs, signal)
      if (this.behaviour === 'fails') throw new Error('no route')
      this.provided.push({ key: Buffer.from(key).toString('hex'), atMs: this.#clock.now() })
    } finally {
      this.active -= 1
    }
  }

  async withdraw(key: Uint8Array): Promise<void> {
    this.withdrawn.push(Buffer.from(key).toString('hex'))
  }

  async *findProviders(): AsyncGenerator<never> {
    yield* await Promise.resolve([])
  }

  times(of: Digest): number {
    return this.provided.filter(({ key }) => key === digestToBytes(of).toString('hex')).length
  }
}

interface World {
  readonly clock: FakeClock
  readonly routing: ScriptedRouting
  readonly announcer: Announcer
  readonly host: Host
  readonly log: ReturnType<typeof createCollectingLogger>
  connect(): Promise<void>
}

let world: World
afterEach(async () => {
  await world.announcer.stop()
  await world.clock.advance(0)
  expect(world.clock.sleepers).toBe(0)
})

async function createWorld(): Promise<World> {
  const clock = createFakeClock()
  const network = createMemoryNetwork({ clock })
  const host = network.createHost('self')
  const other = network.createHost('other')
  await host.start()
  await other.start()
  const routing = new ScriptedRouting(clock)
  const log = createCollectingLogger()
  const announcer = new Announcer({ host, routing, clock, log, random: Math.random })
  announcer.start()
  const signal = AbortSignal.timeout(60_000)
  return {
    clock,
    routing,
    announcer,
    host,
    log,
    connect: async () => void (await other.connect('self', { signal })),
  }
}

describe('Announcer', () => {
  it('announces in order, a few at once', async () => {
    world = await createWorld()
    await world.connect()
    for (const one of digests(100)) world.announcer.announce(one)
    await world.clock.advance(10_000)
    const { routing, announcer } = world
    expect(routing.provided.length).toBeGreaterThan(20)
    expect(routing.mostActive).toBe(3)
    expect(announcer.backlog).toBe(100 - routing.provided.length - routing.active)
    await world.clock.advance(60_000)
    expect(routing.provided.map(({ key }) => key)).toEqual(
      digests(100).map((one) => digestToBytes(one).toString('hex')),
    )
    expect(announcer.backlog).toBe(0)
  })

  it('announces no more than five a second, however fast it goes', async () => {
    world = await createWorld()
    await world.connect()
    world.routing.takesMs = 1
    for (const one of digests(100)) world.announcer.announce(one)
    await world.clock.advance(10_000)
    expect(world.routing.provided.length).toBeGreaterThanOrEqual(49)
    expect(world.routing.provided.length).toBeLessThanOrEqual(51)
  })

  it('waits while there is nobody to tell', async () => {
    world = await createWorld()
    world.announcer.announce(digest('x'))
    await world.clock.advance(HOUR_MS)
    expect(world.routing.provided).toEqual([])
    expect(world.announcer.backlog).toBe(1)
    await world.connect()
    await world.clock.advance(2000)
    expect(world.routing.times(digest('x'))).toBe(1)
  })

  it('announces again before records expire, and not much more often', async () => {
    world = await createWorld()
    await world.connect()
    for (const one of digests(20)) world.announcer.announce(one)
    await world.clock.advance(11 * HOUR_MS)
    expect(world.routing.provided).toHaveLength(20)
    await world.clock.advance(13 * HOUR_MS)
    for (const one of digests(20)) expect(world.routing.times(one)).toBe(2)
    const again = world.routing.provided.slice(20).map(({ atMs }) => atMs)
    expect(new Set(again.map((atMs) => Math.round(atMs / HOUR_MS))).size).toBeGreaterThan(2)
  })

  it('backs off while routing fails, and makes up for it', async () => {
    world = await createWorld()
    await world.connect()
    world.routing.behaviour = 'fails'
    for (const one of digests(10)) world.announcer.announce(one)
    await world.clock.advance(HOUR_MS)
    expect(world.routing.provided).toEqual([])
    expect(world.announcer.backlog).toBe(10)
    world.routing.behaviour = 'well'
    await world.clock.advance(650_000)
    for (const one of digests(10)) expect(world.routing.times(one)).toBe(1)
  })

  it('says aloud that nobody takes them, once an hour at most, and how many failed', async () => {
    world = await createWorld()
    await world.connect()
    world.routing.behaviour = 'fails'
    for (const one of digests(10)) world.announcer.announce(one)
    const warnings = (): unknown[] =>
      world.log.lines.filter(({ event }) => event === 'announce.nobody-takes')
    await world.clock.advance(0.9 * HOUR_MS)
    expect(world.announcer.failures).toBeGreaterThan(5)
    expect(world.announcer.isFailing).toBe(true)
    expect(warnings()).toHaveLength(1)
    await world.clock.advance(HOUR_MS)
    expect(warnings()).toHaveLength(2)
    world.routing.behaviour = 'well'
    await world.clock.advance(650_000)
    expect(world.announcer.isFailing).toBe(false)
  })

  it('tries soon when somebody connects, whatever failed before', async () => {
    world = await createWorld()
    await world.connect()
    world.routing.behaviour = 'fails'
    world.announcer.announce(digest('x'))
    await world.clock.advance(HOUR_MS)
    world.routing.behaviour = 'well'
    await world.host.disconnect('other')
    await world.connect()
    await world.clock.advance(7000)
    expect(world.routing.times(digest('x'))).toBe(1)
  })

  it('gives up on an announcement that hangs, and tries again', async () => {
    world = await createWorld()
    await world.connect()
    world.routing.behaviour = 'hangs'
    world.announcer.announce(digest('x'))
    await world.clock.advance(59_000)
    expect(world.routing.active).toBe(1)
    world.routing.behaviour = 'well'
    await world.clock.advance(10_000)
    expect(world.routing.times(digest('x'))).toBe(1)
  })

  it('announces nothing that was withdrawn before its turn', async () => {
    world = await createWorld()
    world.announcer.announce(digest('x'))
    world.announcer.withdraw(digest('x'))
    await world.connect()
    await world.clock.advance(60_000)
    expect(world.routing.provided).toEqual([])
    expect(world.routing.withdrawn).toEqual([])
  })

  it('withdraws what was announced, and does not announce it again', async () => {
    world = await createWorld()
    await world.connect()
    world.announcer.announce(digest('x'))
    await world.clock.advance(5000)
    world.announcer.withdraw(digest('x'))
    await world.clock.advance(48 * HOUR_MS)
    expect(world.routing.times(digest('x'))).toBe(1)
    expect(world.routing.withdrawn).toHaveLength(1)
  })

  it('withdraws after an announcement that was under way', async () => {
    world = await createWorld()
    await world.connect()
    world.announcer.announce(digest('x'))
    await world.clock.advance(500)
    expect(world.routing.active).toBe(1)
    world.announcer.withdraw(digest('x'))
    await world.clock.advance(48 * HOUR_MS)
    expect(world.routing.times(digest('x'))).toBe(1)
    expect(world.routing.withdrawn).toHaveLength(1)
  })

  it('announces again what was withdrawn and came back', async () => {
    world = await createWorld()
    await world.connect()
    world.announcer.announce(digest('x'))
    await world.clock.advance(5000)
    world.announcer.withdraw(digest('x'))
    world.announcer.announce(digest('x'))
    await world.clock.advance(5000)
    expect(world.routing.times(digest('x'))).toBe(2)
    expect(world.routing.withdrawn).toEqual([])
  })

  it('stops in the middle of an announcement', async () => {
    world = await createWorld()
    await world.connect()
    world.announcer.announce(digest('x'))
    await world.clock.advance(500)
    await world.announcer.stop()
    expect(world.routing.active).toBe(0)
  })
})

describe('AnnouncePlan', () => {
  it('forgets the oldest re-announcement when full, never what is new', () => {
    const plan = new AnnouncePlan({ maxTracked: 3 })
    const [a, b, c, d, e, f, g] = digests(7) as [
      Digest,
      Digest,
      Digest,
      Digest,
      Digest,
      Digest,
      Digest,
    ]
    plan.add(a)
    plan.add(b)
    for (const [at, one] of [plan.take(0, free), plan.take(0, free)].entries()) {
      if (one !== undefined) plan.announced(one, at * HOUR_MS, 0)
    }
    expect(plan.add(c)).toBe(true)
    expect(plan.add(d)).toBe(true)
    expect(plan.add(e)).toBe(true)
    expect(plan.add(f)).toBe(false)
    expect(plan.nextDueMs()).toBe(Infinity)
    expect([plan.take(0, free), plan.take(0, free), plan.take(0, free)]).toEqual([c, d, e])
    expect(plan.take(0, free)).toBeUndefined()
    expect(plan.add(g)).toBe(true)
  })

  it('takes new ones first, then those that are due', () => {
    const plan = new AnnouncePlan({ maxTracked: 10 })
    plan.announced(digest('old'), 0, 0)
    plan.announced(digest('later'), 0, 1)
    plan.add(digest('new'))
    expect(plan.dueCount(13 * HOUR_MS)).toBe(2)
    expect(plan.take(13 * HOUR_MS, free)).toBe(digest('new'))
    expect(plan.take(13 * HOUR_MS, free)).toBe(digest('old'))
    expect(plan.take(13 * HOUR_MS, free)).toBeUndefined()
    expect(plan.take(23 * HOUR_MS, free)).toBe(digest('later'))
  })

  it('passes over those that have to wait', () => {
    const plan = new AnnouncePlan({ maxTracked: 10 })
    plan.add(digest('a'))
    plan.add(digest('b'))
    expect(plan.take(0, (one) => one !== digest('a'))).toBe(digest('b'))
    expect(plan.take(0, free)).toBe(digest('a'))
  })
})
