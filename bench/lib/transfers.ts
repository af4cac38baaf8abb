/**
 * The transfer part of an install alone: a process that asks for the project's tarballs and does nothing with them
 * (light-client.ts), straight from the registry and by `catalog exec`, each on a machine where nothing is warm. Real clients take
 * as much processor time for unpacking as for the rest, which on few cores hides what the transfer takes.
 */
import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execute, isolatedEnvironment } from '../../test/support/client.ts'
import { runExec, shareOfPeers } from './install-sources.ts'
import type { Project } from './install-projects.ts'
import { BEHIND_GATEWAY, REGISTRY, type InstallWorld } from './install-world.ts'
import { withLoad, type Load } from './load.ts'
import { noteGoal, ratios, summarize, summarizeBy, toMarkdownTable } from './measure.ts'
import type { ReplayResult } from './replay-requests.ts'
import type { Sent } from './upstream-child.ts'

/** As npm asks: with digests; and as pnpm does, which names none. */
const WAYS = {
  'as npm asks': { concurrency: 15, sendIntegrity: true },
  'as pnpm asks': { concurrency: 64, sendIntegrity: false },
} as const
type Way = keyof typeof WAYS

interface Transfer {
  /** Of the whole command, with its start and end. */
  readonly seconds: number
  /** From the first request to the last byte. */
  readonly transferSeconds: number
  /** Of the artifacts. */
  readonly fromPeer: number
  /** By the registry. */
  readonly sentBytes: number
}

export interface MeasuredTransfer extends Transfer, Load {
  readonly way: Way
  readonly byExec: boolean
}

const CLIENT = join(import.meta.dirname, 'light-client.ts')
const TIMEOUT_MS = 240_000

/** One round: each way straight and by exec. The neighbour has all. */
export async function measureTransfers(
  world: InstallWorld,
  project: Project,
): Promise<MeasuredTransfer[]> {
  const measured: MeasuredTransfer[] = []
  for (const way of Object.keys(WAYS) as Way[]) {
    for (const byExec of [false, true]) {
      const how = { way, byExec }
      const { value, load } = await withLoad(world.stage, () => transfer(world, project, how))
      measured.push({ ...how, ...value, ...load })
      const { transferSeconds, seconds } = value
      const took = `${transferSeconds.toFixed(1)} s of ${seconds.toFixed(1)}`
      console.log(`${project.name}, ${way}, ${byExec ? 'exec' : 'registry'}: ${took}`)
    }
  }
  return measured
}

/** The tables, and the goals. */
export function printTransfers({ name }: Project, all: readonly MeasuredTransfer[]): void {
  for (const [way, ofWay] of Map.groupBy(all, (each) => each.way)) {
    const of = (byExec: boolean): MeasuredTransfer[] => ofWay.filter((e) => e.byExec === byExec)
    const [base, exec] = [of(false), of(true)]
    const title = `${name}, tarballs alone, ${way}`
    const rows = [base, exec].map((mine) => ({
      [title]: mine === exec ? 'exec' : 'registry',
      'transfer, s': summarizeBy(mine, transferred, 2),
      'of the registry': summarize(ratios(mine.map(transferred), base.map(transferred)), 2),
      'whole command, s': summarizeBy(mine, ({ seconds }) => seconds, 2),
      '% from the neighbour': summarizeBy(mine, ({ fromPeer }) => 100 * fromPeer, 0),
      'registry sent, MB': summarizeBy(mine, ({ sentBytes }) => sentBytes / 1e6, 1),
      'cores busy': `${summarizeBy(mine, ({ coresBusy }) => 100 * coresBusy, 0)} %`,
    }))
    console.log(`\n${toMarkdownTable(rows)}`)
    const ratio = ratios(exec.map(transferred), base.map(transferred))
    noteGoal(`${title}: exec with a neighbour, of the registry's`, ratio, { atMost: 0.6 })
  }
}

function transferred({ transferSeconds }: MeasuredTransfer): number {
  return transferSeconds
}

async function transfer(
  world: InstallWorld,
  { files }: Pick<Project, 'files'>,
  { way, byExec }: { readonly way: Way; readonly byExec: boolean },
): Promise<Transfer> {
  const folder = await mkdtemp(join(world.stage.folder, 'transfer-'))
  const [cwd, home] = [join(folder, 'project'), join(folder, 'home')]
  await Promise.all([
    mkdir(cwd, { recursive: true }),
    mkdir(join(home, 'tmp'), { recursive: true }),
  ])
  const [request, result] = [join(folder, 'request.json'), join(folder, 'result.json')]
  await writeFile(request, JSON.stringify({ ...WAYS[way], files }))
  const command = [process.execPath, CLIENT, request, result]
  const place = { cwd, home, env: {} }
  await world.registry.call<Sent>('takeSent')
  const took = byExec
    ? await runExec(world, command, { ...place, options: BEHIND_GATEWAY }).then(
        ({ seconds, said }) => {
          return { seconds, fromPeer: shareOfPeers(said) }
        },
      )
    : await straight(world, command, place)
  const { bytes: sentBytes } = await world.registry.call<Sent>('takeSent')
  const { seconds: transferSeconds, bad } = JSON.parse(
    await readFile(result, 'utf8'),
  ) as ReplayResult
  if (bad > 0) throw new Error(`${bad} tarballs were wrong`)
  return { ...took, transferSeconds, sentBytes }
}

async function straight(
  world: InstallWorld,
  command: readonly string[],
  { cwd, home }: { readonly cwd: string; readonly home: string },
): Promise<Pick<Transfer, 'seconds' | 'fromPeer'>> {
  const [program = '', ...args] = [...world.desk.prefix, ...command]
  const env = { ...isolatedEnvironment(home), npm_config_registry: REGISTRY }
  const { exitCode, output, durationMs } = await execute(program, args, {
    ...{ cwd, env, timeoutMs: TIMEOUT_MS },
  })
  if (exitCode !== 0) throw new Error(`the light client: ${output.slice(-4000)}`)
  return { seconds: durationMs / 1000, fromPeer: 0 }
}
