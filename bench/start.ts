/**
 * Question: what does it cost to be there? The time from the command to the first answer, and to the first peer, of `catalog start`
 * as npm installs it; what an idle daemon holds in memory, takes of a core and says to its peers. Beside Verdaccio, a bare
 * libp2p node with QUIC, and Node alone. Goals: 0.7 s to serving; 120 MB with 100 peers and 10,000 artifacts; 0.5 % of a core.
 */
import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { measureIdle, measureIdleRivals, rowOf, type Case, type Idle } from './lib/idle-daemon.ts'
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
const QUICK_TIMES = { settleMs: 4_000, watchMs: 4_000 }
const QUICK_CASES = [{ peers: 5, artifacts: 300 }]
const CASES = [
  { peers: 0, artifacts: 0 },
  { peers: 100, artifacts: 10_000 },
]
const MORE_CASES = [
  { peers: 10, artifacts: 10_000 },
  { peers: 100, artifacts: 100_000 },
]

type Subject =
  | 'node -e 0'
  | 'bare libp2p with QUIC'
  | 'Verdaccio'
  | 'catalog --version'
  | 'catalog, first start'
  | 'catalog'
  | 'catalog, its first peer'

/** `full`: more peers and artifacts, which takes minutes. */
export async function run(options: {
  rounds: number
  full: boolean
  quick: boolean
}): Promise<unknown> {
  await using stage = await Stage.open()
  const catalog = await installPacked(stage.folder)
  const starts: Partial<Record<Subject, Time>>[] = []
  for (let round = 0; round < options.rounds; round += 1) {
    starts.push(await measureStarts(stage, catalog, join(stage.folder, `round-${round}`)))
  }
  showStarts(starts)
  const times = options.quick ? QUICK_TIMES : TIMES
  const idle: Idle[] = await measureIdleRivals(catalog, times)
  for (const each of casesOf(options)) idle.push(await measureIdle(catalog, each, times))
  console.log(`\n${toMarkdownTable(idle.map(rowOf))}`)
  noteGoal(
    'start to serving, packed, ms',
    starts.map(({ catalog: time }) => time?.ms ?? NaN),
    { atMost: GOAL_MS },
  )
  for (const { name, peers, artifacts, mib, cpuPercent } of idle) {
    if (peers === 0) continue
    noteGoal(`${name}: % of a core`, [cpuPercent], { atMost: 0.5 })
    // 120 MB are 114 MiB.
    if (artifacts <= 10_000) noteGoal(`${name}: MiB resident`, [mib], { atMost: 114 })
  }
  return { starts, idle }
}

function casesOf({ full, quick }: { full: boolean; quick: boolean }): readonly Case[] {
  if (quick) return QUICK_CASES
  return full ? [...CASES, ...MORE_CASES] : CASES
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
