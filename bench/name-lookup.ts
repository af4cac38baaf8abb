/**
 * Question: what does it cost to look a name up in the lists of 30 peers of 100,000 names each, at each request of a client that
 * names no digest? Names that nobody lists, that one peer lists, and that all do; in processor time, beside one peer's list alone.
 * Goal: under 20 microseconds.
 */
import type { Lookups } from './lib/lists-child.ts'
import { noteGoal, summarize, toMarkdownTable } from './lib/measure.ts'
import { Stage } from './lib/stage.ts'

const NAMES = 100_000
const PEERS = [1, 30] as const
const KINDS = ['none', 'one', 'all'] as const
const LOOKUPS = 100_000
const GOAL_MICROS = 20

type Kind = (typeof KINDS)[number]
type Round = Readonly<Record<number, Readonly<Record<Kind, Lookups>>>>

export async function run(options: { rounds: number }): Promise<unknown> {
  const rounds: Round[] = []
  for (let round = 0; round < options.rounds; round += 1) {
    const [alone, all] = [await measure(PEERS[0]), await measure(PEERS[1])]
    rounds.push({ [PEERS[0]]: alone, [PEERS[1]]: all })
  }
  const rows = PEERS.flatMap((peers) =>
    KINDS.map((kind) => {
      const micros = rounds.map((round) => round[peers]?.[kind].micros ?? NaN)
      return {
        'peers of 100,000 names': String(peers),
        'a name that is listed by': kind,
        'µs of CPU': summarize(micros, 2),
        [`of ${GOAL_MICROS} µs`]: summarize(
          micros.map((each) => (100 * each) / GOAL_MICROS),
          0,
        ),
      }
    }),
  )
  console.log(toMarkdownTable(rows))
  for (const kind of KINDS) {
    const micros = rounds.map((round) => round[PEERS[1]]?.[kind].micros ?? NaN)
    const what = `a name in the lists of ${PEERS[1]} peers, listed by ${kind}: µs of CPU`
    noteGoal(what, micros, { atMost: GOAL_MICROS })
  }
  return rounds
}

async function measure(peers: number): Promise<Record<Kind, Lookups>> {
  await using stage = await Stage.open()
  const child = stage.start('lib/lists-child.ts')
  await child.call('start', { peers, names: NAMES })
  const lookUp = (kind: Kind): Promise<Lookups> =>
    child.call<Lookups>('lookUp', { kind, count: LOOKUPS })
  for (const kind of KINDS) await lookUp(kind) // its code is compiled
  return { none: await lookUp('none'), one: await lookUp('one'), all: await lookUp('all') }
}
