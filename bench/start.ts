/**
 * Question: what does it cost to be there? The time from the command to the first answer, and to the first peer, of `catalog start`
 * as npm installs it; what an idle daemon holds in memory, takes of a core and says to its peers. Beside Verdaccio, a bare
 * libp2p node with QUIC, and Node alone. Goals: 0.7 s to serving; 120 MB with 100 peers and 10,000 artifacts; 0.5 % of a core there, over
 * ten minutes, as each peer gets a sign of life every ten minutes. The others are watched for a minute, which has none of them.
 */
import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import {
  measureIdle,
  measureIdleRivals,
  rowOf,
  type Case,
  type Idle,
  type Times,
} from './lib/idle-daemon.ts'
import { noteGoal, summarize, toMarkdownTable } from './lib/measure.ts'
import { installPacked, type PackedCatalog } from './lib/packed-catalog.ts'
import { VERDACCIO } from './lib/rivals.ts'
import { Stage } from './lib/stage.ts'
import {
  environment,
  startBare,
  startCatalog,
  startVerdaccio,
  timeOf,
  type Time,
} from './lib/start-programs.ts'
import { runTimed } from './lib/timed-process.ts'

const GOAL_MS = 700
const TIMES = { settleMs: 30_000, watchMs: 60_000 }
/** One sign of life for each peer (inventory-sender.ts). */
const GOAL_TIMES = { ...TIMES, watchMs: 600_000 }
const QUICK_TIMES = { settleMs: 4_000, watchMs: 4_000 }
const GOAL_CASE = { peers: 100, artifacts: 10_000 }
const QUICK_CASES = [{ peers: 5, artifacts: 300 }]
const CASES = [{ peers: 0, artifacts: 0 }, GOAL_CASE]
const FULL_CASES = [
  { peers: 0, artifacts: 0 },
  ...[10_000, 100_000].flatMap((artifacts) =>
    [0, 10, 100].map((peers): Case => ({ peers, artifacts })),
  ),
]

type Subject =
  | 'node -e 0'
  | 'bare libp2p with QUIC'
  | 'Verdaccio'
  | 'catalog --version'
  | 'catalog, first start'
  | 'catalog'
  | 'catalog, its first peer'

/**
 * `idle`: this case alone, like `100x10000` for 100 peers and 10,000 artifacts, and no starts; `full`: 0, 10 and 100 peers, each with
 * 10,000 and 100,000 artifacts.
 */
export async function run(options: {
  rounds: number
  idle?: string | undefined
  full?: boolean
  quick: boolean
}): Promise<unknown> {
  const only = options.idle === undefined ? undefined : parseCase(options.idle)
  await using stage = await Stage.open()
  const catalog = await installPacked(stage.folder)
  const timesOf = ({ peers, artifacts }: Case): Times => {
    if (options.quick) return QUICK_TIMES
    return peers === GOAL_CASE.peers && artifacts === GOAL_CASE.artifacts ? GOAL_TIMES : TIMES
  }
  if (only !== undefined) {
    const idle = [await measureIdle(catalog, only, timesOf(only))]
    showIdle(idle)
    return { idle }
  }
  const starts: Partial<Record<Subject, Time>>[] = []
  for (let round = 0; round < options.rounds; round += 1) {
    starts.push(await measureStarts(stage, catalog, join(stage.folder, `round-${round}`)))
  }
  showStarts(starts)
  const idle: Idle[] = await measureIdleRivals(catalog, options.quick ? QUICK_TIMES : TIMES)
  for (const each of options.quick ? QUICK_CASES : options.full ? FULL_CASES : CASES) {
    idle.push(await measureIdle(catalog, each, timesOf(each)))
  }
  showIdle(idle)
  noteGoal(
    'start to serving, packed, ms',
    starts.map(({ catalog: time }) => time?.ms ?? NaN),
    { atMost: GOAL_MS },
  )
  return { starts, idle }
}

/** @throws Error when it is none */
function parseCase(text: string): Case {
  const [, peers, artifacts] = /^(\d{1,3})x(\d{1,6})$/.exec(text) ?? []
  if (peers !== undefined) return { peers: Number(peers), artifacts: Number(artifacts) }
  throw new Error(`--idle is like 100x10000, peers and artifacts; not ${text}`)
}

function showIdle(idle: readonly Idle[]): void {
  console.log(`\n${toMarkdownTable(idle.map(rowOf))}`)
  const bare = idle.find(({ name }) => name.startsWith('bare'))
  const limit = bare && `a bare libp2p node without a peer takes ${bare.mib.toFixed(0)}`
  for (const { name, peers, artifacts, mib, cpuPercent, watchMs } of idle) {
    if (peers === 0) continue
    if (watchMs === GOAL_TIMES.watchMs) {
      noteGoal(`${name}: % of a core, over ten minutes`, [cpuPercent], { atMost: 0.5 })
    }
    // 120 MB are 114 MiB.
    if (artifacts <= 10_000) noteGoal(`${name}: MiB resident`, [mib], { atMost: 114 }, limit)
  }
}

async function measureStarts(
  stage: Stage,
  catalog: PackedCatalog,
  folder: string,
): Promise<Partial<Record<Subject, Time>>> {
  await mkdir(folder, { recursive: true })
  const plain = async (args: string[]): Promise<Time> => ({
    ms: await runTimed({ args, env: environment(folder) }),
    cpuMs: NaN,
  })
  const alone = await plain(['-e', '0'])
  const first = await timeOf(startCatalog(catalog, { home: folder }))
  const libp2p = await timeOf(startBare(catalog))
  const again = await timeOf(startCatalog(catalog, { home: folder }))
  const version = await plain([catalog.program, '--version'])
  const rival = existsSync(VERDACCIO) ? await timeOf(startVerdaccio(folder)) : undefined
  return {
    'node -e 0': alone,
    'bare libp2p with QUIC': libp2p,
    ...(rival && { Verdaccio: rival }),
    'catalog --version': version,
    'catalog, first start': first,
    catalog: again,
    'catalog, its first peer': await firstPeer(stage, catalog, folder),
  }
}

/** From the command until a peer that it has been told of is connected. */
async function firstPeer(stage: Stage, catalog: PackedCatalog, folder: string): Promise<Time> {
  const { address } = await stage.startNode(`beside-${folder.split('-').at(-1)}`)
  return await timeOf(startCatalog(catalog, { home: folder, bootstrap: address, until: 1 }))
}

function showStarts(starts: readonly Partial<Record<Subject, Time>>[]): void {
  const subjects = Object.keys(starts[0] ?? {}) as Subject[]
  const rows = subjects.map((subject) => {
    const times = starts.flatMap((round) => round[subject] ?? [])
    const isGoal = subject === 'catalog'
    const of = times.map(({ ms }) => (100 * ms) / GOAL_MS)
    return {
      start: subject,
      ms: summarize(
        times.map(({ ms }) => ms),
        0,
      ),
      'processor time, ms': Number.isNaN(times[0]?.cpuMs)
        ? ''
        : summarize(
            times.map(({ cpuMs }) => cpuMs),
            0,
          ),
      [`of ${GOAL_MS} ms`]: isGoal ? `${summarize(of, 0)} %` : '',
    }
  })
  console.log(toMarkdownTable(rows))
}
