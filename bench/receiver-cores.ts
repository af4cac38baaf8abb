/**
 * Question: how much faster does a node receive when it has more cores? Gateway B, a fresh process, takes the tarballs of a clean
 * install, and one artifact of 200 MB, from A over a carrier: with one core that nobody else uses, and with all cores of this machine.
 * Beside it what any number of cores could give: all the processor time of B over that of its busiest thread, which does not get
 * shorter. Goal: with four cores twice what it does with one. Needs Linux and taskset; left out, with the reason, elsewhere.
 */
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { cpus } from 'node:os'
import { loadCorpusOf, putAll, type Corpus } from './lib/corpus.ts'
import { waitForInventories } from './lib/inventories.ts'
import { withLoad, type Load } from './lib/load.ts'
import { LOOPBACK, type BenchMachine } from './lib/machine.ts'
import {
  MB,
  noteGoal,
  ratios,
  spreadOf,
  summarize,
  summarizeBy,
  toMarkdownTable,
} from './lib/measure.ts'
import { startReplayClient, type ReplayClient } from './lib/replay-client.ts'
import { Stage, type StartedNode } from './lib/stage.ts'
import { cpuMsOf } from './lib/timed-process.ts'

const WHATS = ['1,150 tarballs', 'one artifact of 200 MB'] as const
type What = (typeof WHATS)[number]
const LARGE_BYTES = 200 * MB
const QUICK_BYTES = 20 * MB
const QUICK_FILES = 60
const GOAL = 2

interface Measured extends Load {
  readonly what: What
  readonly cores: Cores
  readonly seconds: number
  /** Of B's threads, the one that runs JavaScript first. */
  readonly threadSeconds: readonly number[]
}

const CORES = { 'one of its own': '0', 'all, with A and the client': undefined } as const
type Cores = keyof typeof CORES

interface World {
  readonly stage: Stage
  readonly a: StartedNode
  readonly client: ReplayClient
  readonly corpus: Corpus
  readonly large: { readonly digest: string }
}

export async function run(options: { rounds: number; quick: boolean }): Promise<unknown> {
  if (spawnSync('taskset', ['-V']).status !== 0 || cpus().length < 2) {
    console.log('Left out: it needs taskset and two cores.')
    return { measured: [] }
  }
  await using stage = await Stage.open()
  const corpus = await loadCorpusOf(stage.folder, options.quick ? QUICK_FILES : Infinity)
  const rest = pinned(`1-${cpus().length - 1}`)
  const a = await stage.startNode('a', { machine: rest })
  await putAll(a.child, corpus)
  const bytes = options.quick ? QUICK_BYTES : LARGE_BYTES
  const large = { digest: await a.child.call<string>('putRandom', { bytes, seed: 1 }) }
  const world = { stage, a, client: startReplayClient(stage, rest), corpus, large }
  const measured: Measured[] = []
  for (let round = 0; round < options.rounds; round += 1) {
    for (const what of WHATS) {
      for (const cores of Object.keys(CORES) as Cores[]) {
        measured.push(await measure(world, what, cores))
      }
    }
  }
  print(measured)
  return { measured }
}

/** What runs there has these cores, as taskset numbers them; undefined: all. */
function pinned(cores: string | undefined): BenchMachine {
  return cores === undefined ? LOOPBACK : { ...LOOPBACK, prefix: ['taskset', '-c', cores] }
}

async function measure(world: World, what: What, cores: Cores): Promise<Measured> {
  const { stage, a, client, corpus, large } = world
  const b = await stage.startNode(`b-${what}-${cores}-${performance.now()}`, {
    machine: pinned(CORES[cores]),
    gateway: { port: 0, upstream: null },
  })
  await b.child.call('connect', [a.address])
  await waitForInventories(b.child, 1, corpus.files.length + 1)
  await stage.quiesce()
  const pid = await b.child.call<number>('pid')
  const before = threadsOf(pid)
  const startedMs = performance.now()
  const { value: seconds, load } = await withLoad(stage, async () => {
    if (what === '1,150 tarballs') return (await client.ask(b, corpus.files)).seconds
    await b.child.call('get', large.digest)
    return (performance.now() - startedMs) / 1000
  })
  const threadSeconds = [...threadsOf(pid)].map(([id, ms]) => (ms - (before.get(id) ?? 0)) / 1000)
  await b.child.close()
  return { what, cores, seconds, threadSeconds, ...load }
}

/** Processor time in milliseconds by thread; the first one, which has the id of the process, runs JavaScript. */
function threadsOf(pid: number): Map<string, number> {
  const ids = readdirSync(`/proc/${pid}/task`)
  return new Map(ids.map((id) => [id, cpuMsOf(pid, id)]))
}

function print(measured: readonly Measured[]): void {
  const all = ({ threadSeconds }: Measured): number => threadSeconds.reduce((a, b) => a + b, 0)
  const busiest = ({ threadSeconds }: Measured): number => Math.max(...threadSeconds)
  const of = (what: What, cores: Cores): Measured[] =>
    measured.filter((each) => each.what === what && each.cores === cores)
  const rows = WHATS.flatMap((what) =>
    (Object.keys(CORES) as Cores[]).map((cores) => {
      const mine = of(what, cores)
      return {
        'B takes': what,
        'cores of B': cores,
        seconds: summarizeBy(mine, ({ seconds }) => seconds, 2),
        'CPU of B, s': summarizeBy(mine, all, 2),
        'of it its JavaScript thread': summarizeBy(
          mine,
          ({ threadSeconds: [first = NaN] }) => first,
          2,
        ),
        'all over the busiest thread': summarizeBy(mine, (each) => all(each) / busiest(each), 2),
        'cores busy': `${summarizeBy(mine, ({ coresBusy }) => 100 * coresBusy, 0)} %`,
      }
    }),
  )
  console.log(toMarkdownTable(rows))
  for (const what of WHATS) {
    const [one, both] = [of(what, 'one of its own'), of(what, 'all, with A and the client')]
    const seconds = (list: readonly Measured[]): number[] => list.map((each) => each.seconds)
    const bounds = one.map((each) => all(each) / busiest(each))
    const limit = `no number of cores gives more than ${summarize(bounds, 2)}: its busiest thread takes as long`
    const isLimit = spreadOf(bounds).median < GOAL
    const name = `${what}: with ${cpus().length} cores, shared with the sender, times one of its own`
    noteGoal(
      name,
      ratios(seconds(one), seconds(both)),
      { atLeast: GOAL },
      isLimit ? limit : undefined,
    )
  }
}
