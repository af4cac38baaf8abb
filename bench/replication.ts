/**
 * Question: how many copies should a publication have beside its publisher's own? What is left of it when machines leave for good,
 * while the publisher repairs and after it has left too; how often somebody who works can have it; and what is sent for it. The code
 * that spreads and repairs is the daemon's own; machines, their hours and time itself are made up, chance is seeded. Nothing here is
 * measured in seconds, so neither load nor processor counts.
 */
import { keyIdFromBytes, type CatalogNode, type PublishedName } from '@catalog-p2p/core'
import { createReplication } from '../gateway/src/publishing/replication.ts'
import { benchLogger as logger } from './lib/logger.ts'
import { toMarkdownTable } from './lib/measure.ts'

const COPIES = [2, 3, 4] as const
/** Of the machines, in a month. */
const LEAVING = [0.02, 0.1, 0.3] as const
const MACHINES = 30
const PACKAGES = 40
const RUNS = 5
const STEP_MS = 10 * 60_000
const STEPS_A_DAY = 144
/** The publisher publishes on the first morning, works for so long, and leaves. */
const PUBLISHER_DAYS = 30
const DAYS_AFTER = 90
/** One in so many is never switched off. */
const ALWAYS_ON = 10

type Listener = Parameters<CatalogNode['onEvent']>[0]

interface Machine {
  readonly id: string
  readonly isServer: boolean
  readonly beginsAt: number
  readonly keeps: Set<string>
}

interface Outcome {
  readonly reachable: number
  readonly leftAtEnd: number
  readonly leftLater: number
  readonly sent: number
}

export async function run(): Promise<unknown> {
  const rows: Record<string, string>[] = []
  const outcomes: (Outcome & { leaving: number; copies: number })[] = []
  for (const leaving of LEAVING) {
    for (const copies of COPIES) {
      const runs: Outcome[] = []
      for (let seed = 1; seed <= RUNS; seed += 1) runs.push(await live({ leaving, copies, seed }))
      const mean = (value: (one: Outcome) => number): number =>
        runs.reduce((sum, one) => sum + value(one), 0) / runs.length
      const outcome = {
        reachable: mean((one) => one.reachable),
        leftAtEnd: mean((one) => one.leftAtEnd),
        leftLater: mean((one) => one.leftLater),
        sent: mean((one) => one.sent),
      }
      outcomes.push({ leaving, copies, ...outcome })
      rows.push({
        'machines that leave in a month': percent(leaving, 0),
        copies: `${copies}`,
        'to be had in working hours, publisher off': percent(outcome.reachable, 1),
        [`left when the publisher leaves, day ${PUBLISHER_DAYS}`]: percent(outcome.leftAtEnd, 1),
        [`left ${DAYS_AFTER} days later`]: percent(outcome.leftLater, 1),
        'copies sent': outcome.sent.toFixed(1),
      })
    }
  }
  console.log(toMarkdownTable(rows))
  return outcomes
}

async function live(at: { leaving: number; copies: number; seed: number }): Promise<Outcome> {
  const world = createWorld(at.seed, at.leaving)
  const publisher = createPublisher(world, at.copies)
  const seen = { tries: 0, had: 0 }
  for (let step = 0; step < PUBLISHER_DAYS * STEPS_A_DAY; step += 1) {
    const isThere = isWorking({ isServer: false, beginsAt: 54 }, step)
    const arrived = world.step(step)
    if (step === 54) await publisher.publish()
    if (step > 54 && isThere) await publisher.spend(arrived)
    else await publisher.sleep()
    if (step <= 54 || isThere || world.online().length < 2) continue
    for (const name of publisher.names) {
      seen.tries += 1
      if (world.online().some(({ keeps }) => keeps.has(name))) seen.had += 1
    }
  }
  await publisher.leave()
  const leftAtEnd = world.leftOf(publisher.names)
  world.lose(DAYS_AFTER)
  return {
    reachable: seen.had / seen.tries,
    leftAtEnd,
    leftLater: world.leftOf(publisher.names),
    sent: publisher.sent() / PACKAGES,
  }
}

/** Nine hours of five days. `beginsAt`: steps after midnight. */
function isWorking({ isServer, beginsAt }: Pick<Machine, 'isServer' | 'beginsAt'>, step: number) {
  const sinceMorning = (step % STEPS_A_DAY) - beginsAt
  const isWeekend = Math.floor(step / STEPS_A_DAY) % 7 >= 5
  return isServer || (!isWeekend && sinceMorning >= 0 && sinceMorning < STEPS_A_DAY * (9 / 24))
}

interface World {
  /** @returns who has come online */
  step(step: number): readonly Machine[]
  /** Days in which nobody looks. */
  lose(days: number): void
  online(): readonly Machine[]
  find(id: string): Machine | undefined
  leftOf(names: readonly string[]): number
  random(): number
}

/** Who leaves is replaced by a machine that has nothing. */
function createWorld(seed: number, leaving: number): World {
  const random = createRandom(seed)
  const make = (index: number): Machine => ({
    id: `machine-${index}`,
    isServer: index % ALWAYS_ON === 0,
    beginsAt: 42 + Math.floor(random() * 24),
    keeps: new Set(),
  })
  let made = MACHINES
  const machines = Array.from({ length: MACHINES }, (_, index) => make(index))
  let online: readonly Machine[] = []

  function lose(days: number): void {
    const part = 1 - (1 - leaving) ** (days / 30)
    for (const [index] of machines.entries()) {
      if (random() >= part) continue
      machines[index] = { ...make(index), id: `machine-${made}` }
      made += 1
    }
  }

  return {
    lose,
    step(step) {
      lose(1 / STEPS_A_DAY)
      const before = new Set(online)
      online = machines.filter((machine) => isWorking(machine, step))
      return online.filter((machine) => !before.has(machine))
    },
    online: () => online,
    find: (id) => online.find((machine) => machine.id === id),
    leftOf: (names) =>
      names.filter((name) => machines.some(({ keeps }) => keeps.has(name))).length / names.length,
    random,
  }
}

/** The daemon's own spreading and repairing, over the machines of that world. */
function createPublisher(world: World, copies: number) {
  const names = Array.from({ length: PACKAGES }, (_, index) => `package-${index}`)
  const clock = createClock()
  const listeners = new Set<Listener>()
  let isOn = true
  let isPublished = false
  let sent = 0
  const published = names.map((name): PublishedName => ({ name, publisher: PUBLISHER }))
  const node = {
    questions: {
      peers: () => (isOn ? shuffled(world) : []),
    },
    publications: {
      told: () => (isPublished ? published : []),
      offered: () => new Uint8Array(),
    },
    onEvent(listener: Listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  }
  const ask = async (question: { peer: string; request: PublishedName }): Promise<boolean> => {
    const keeper = world.find(question.peer)
    if (keeper === undefined) return false
    if (!keeper.keeps.has(question.request.name)) sent += 1
    keeper.keeps.add(question.request.name)
    return true
  }
  const deps = { node, ask, isShared: () => true, log: logger, sleep: clock.sleep }
  const replication = createReplication(deps, { replication: copies })
  return {
    names,
    sent: () => sent,
    async publish() {
      isPublished = true
      const { signal } = new AbortController()
      for (const one of published) await replication.spread(one, signal)
    },
    /** Ten minutes at work. */
    async spend(arrived: readonly Machine[]) {
      const peers = isOn ? arrived : world.online()
      isOn = true
      for (const { id } of peers) {
        for (const listener of listeners) listener({ type: 'peer-connected', peer: id })
      }
      await clock.pass(STEP_MS)
    },
    /** A laptop that is closed: nothing of it runs, and its time stands still. */
    async sleep() {
      isOn = false
    },
    async leave() {
      await replication.stop()
    },
  }
}

const PUBLISHER = keyIdFromBytes(new Uint8Array(32))

function shuffled({ online, random }: World): string[] {
  return online()
    .map(({ id }) => ({ id, at: random() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ id }) => id)
}

/** Time that passes when it is told to. */
function createClock() {
  let nowMs = 0
  const waiting = new Set<{ atMs: number; wake: () => void }>()
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
  return {
    sleep: (ms: number, signal: AbortSignal): Promise<void> =>
      new Promise((resolve, reject) => {
        const end = (settle: () => void) => (): void => {
          waiting.delete(one)
          signal.removeEventListener('abort', abort)
          settle()
        }
        const one = { atMs: nowMs + ms, wake: end(resolve) }
        const abort = end(() => reject(new Error('aborted')))
        if (signal.aborted) return reject(new Error('aborted'))
        signal.addEventListener('abort', abort)
        waiting.add(one)
      }),
    async pass(ms: number): Promise<void> {
      const untilMs = nowMs + ms
      await turn()
      for (;;) {
        const next = [...waiting].toSorted((a, b) => a.atMs - b.atMs)[0]
        if (next === undefined || next.atMs > untilMs) break
        nowMs = next.atMs
        next.wake()
        await turn()
      }
      nowMs = untilMs
    },
  }
}

/** mulberry32. */
function createRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

function percent(value: number, digits: number): string {
  return `${(100 * value).toFixed(digits)} %`
}
