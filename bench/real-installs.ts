/**
 * Question: how long does a real install take on a machine where nothing is warm, from the registry, from Verdaccio in the office,
 * from our gateway and by `catalog exec` with one neighbour that has all, and from a cache archive as CI services keep it? npm,
 * pnpm, Yarn 4 and Bun; two lockfiles; registry and archive 50 ms and 200 Mbit/s away, the LAN 1 Gbit/s. Goals for `catalog
 * exec`: with a neighbour 0.6 of the registry's time for the transfer, measured with a client that does nothing else
 * (transfers.ts); without one 1.02 of the whole.
 */
import { mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import { whyNoNamespaces } from '../test/support/machines/namespaces.ts'
import { findClient, whyUnavailable } from '../test/support/clients.ts'
import { loadInstallable } from './lib/corpus.ts'
import {
  ALONE_NAMES,
  installFrom,
  SOURCE_NAMES,
  type Installed,
  type SourceName,
} from './lib/install-sources.ts'
import {
  CLIENTS,
  prepare,
  projectOf,
  type BenchClient,
  type Prepared,
  type Project,
  type ProjectName,
} from './lib/install-projects.ts'
import { LAN, REGISTRY, startInstallWorld, type InstallWorld } from './lib/install-world.ts'
import { noteGoal, ratios, summarize, summarizeBy, toMarkdownTable } from './lib/measure.ts'
import { withLoad, type Load } from './lib/load.ts'
import { Stage } from './lib/stage.ts'
import { measureTransfers, printTransfers, type MeasuredTransfer } from './lib/transfers.ts'

/** For all of it: no round begins that would end later, if it took as long as the one before. */
const BUDGET_MS = 8 * 60_000
const FULL_BUDGET_MS = 60 * 60_000
/** Of which the rounds without a neighbour get as much, set-up included. */
const ALONE_SHARE = 0.5

interface Options {
  readonly rounds: number
  /** All clients with both lockfiles, however long it takes. */
  readonly full: boolean
  /** One round of a few packages. */
  readonly quick: boolean
}

interface Install {
  readonly project: Project
  readonly client: BenchClient
  readonly prepared: Prepared
}

interface Measured extends Installed, Load {
  readonly project: ProjectName
  readonly client: BenchClient
  readonly source: SourceName
  readonly hasNeighbour: boolean
}

export async function run(options: Options): Promise<unknown> {
  const beganMs = performance.now()
  const reason = await whyNoNamespaces(LAN)
  if (reason !== undefined) {
    console.log(`left out: ${reason}`)
    return { reason }
  }
  await using stage = await Stage.open()
  const corpus = await loadInstallable(stage.folder, options.quick ? 60 : 1)
  const world = await startInstallWorld(stage, corpus)
  const installs: Install[] = []
  for (const [name, clients] of chosen(options)) {
    const project = projectOf(corpus, name)
    for (const client of clients) {
      const folder = join(stage.folder, `${client} of ${name}`)
      const { archives, registryMachine: machine } = world
      const at = { folder, archives, machine, registry: REGISTRY }
      installs.push({ project, client, prepared: await prepare(client, project, at) })
    }
  }
  const budgetMs = options.full ? FULL_BUDGET_MS : BUDGET_MS
  const measured: Measured[] = []
  const round = async (
    install: Install,
    how: { sources: readonly SourceName[]; hasNeighbour: boolean },
  ): Promise<void> => {
    const all: Measured[] = []
    const title = `${install.project.name}, ${install.client}`
    try {
      for (const source of how.sources) {
        const took = await measure(world, install, source)
        all.push({ ...took, hasNeighbour: how.hasNeighbour })
        console.log(`${title}, ${source}: ${took.seconds.toFixed(1)} s`)
      }
      measured.push(...all)
    } catch (error) {
      // A round counts whole or not at all: its ratios need all of it.
      console.error(`${title}: this round does not count:`, error)
    }
  }
  const alone = installs.filter(({ client }) => options.full || isUsual(client))
  for (const install of alone) {
    const how = { sources: ALONE_NAMES, hasNeighbour: false }
    await repeat(options.rounds, beganMs + ALONE_SHARE * budgetMs, () => round(install, how))
  }
  await world.startPeer()
  const [largest] = installs.map(({ project }) => project)
  const transfers: MeasuredTransfer[] = []
  for (let at = 0; at < options.rounds && largest !== undefined; at += 1) {
    transfers.push(...(await measureTransfers(world, largest)))
  }
  const sources = SOURCE_NAMES.filter((name) => name !== 'Verdaccio' || world.verdaccio)
  await repeat(options.rounds, beganMs + budgetMs, async () => {
    for (const install of installs) await round(install, { sources, hasNeighbour: true })
  })
  print(measured)
  if (largest !== undefined) printTransfers(largest, transfers)
  const projects = installs.map(({ project: { name, files }, client, prepared }) => ({
    ...{ name, client, tarballs: files.length, archiveBytes: prepared.archiveBytes },
  }))
  return { projects, measured, transfers }
}

/** Which clients install what. */
function chosen({ full, quick }: Options): [ProjectName, readonly BenchClient[]][] {
  const clients = CLIENTS.filter((name) => {
    const reason = whyUnavailable(findClient(name))
    if (reason !== undefined) console.log(`${name}: left out, ${reason}`)
    return reason === undefined
  })
  if (quick) return [['a few', clients]]
  const some = clients.filter((name) => full || isUsual(name))
  return [
    ['web application', some],
    ['library', clients],
  ]
}

/** Those that the goals are for. */
function isUsual(client: BenchClient): boolean {
  return client === 'npm-12' || client === 'pnpm-12'
}

/** At least once, and not again when another time would end after the deadline. */
async function repeat(
  rounds: number,
  deadlineMs: number,
  work: () => Promise<void>,
): Promise<void> {
  for (let at = 0; at < rounds; at += 1) {
    const beganMs = performance.now()
    await work()
    const tookMs = performance.now() - beganMs
    if (at + 1 < rounds && performance.now() + tookMs > deadlineMs) {
      console.log(`${at + 1} of ${rounds} rounds: there is no time for another one`)
      return
    }
  }
}

async function measure(
  world: InstallWorld,
  { project, client: name, prepared }: Install,
  source: SourceName,
): Promise<Omit<Measured, 'hasNeighbour'>> {
  // It stays until the end: ext4 gives out the inodes of deleted files only minutes later, and looks at each of them meanwhile.
  const folder = await mkdtemp(join(world.stage.folder, 'run-'))
  const install = { world, project, client: findClient(name), name, prepared, folder }
  const { value, load } = await withLoad(world.stage, () => installFrom(source, install))
  return { project: project.name, client: name, source, ...value, ...load }
}

function print(measured: readonly Measured[]): void {
  const groups = Map.groupBy(measured, ({ project, client, hasNeighbour }) =>
    [project, client, ...(hasNeighbour ? [] : ['no neighbour'])].join(', '),
  )
  for (const [title, all] of groups) {
    console.log(`\n${toMarkdownTable(rowsOf(title, all))}`)
    if (all.some(({ hasNeighbour }) => hasNeighbour)) continue
    const [exec, base] = [ofSource(all, 'exec'), ofSource(all, 'registry')]
    const ceiling = ratios(ofSource(all, 'bare proxy').map(whole), base.map(whole))
    const ratio = ratios(exec.map(whole), base.map(whole))
    const own = summarizeBy(exec, (each) => whole(each) - each.clientSeconds, 2)
    const client = ratios(exec.map(ofClient), base.map(ofClient))
    const limit = `before the client starts and after it ends ${own} s; from start to end, its wait for the gateway included, it takes ${summarize(client, 2)}; through a bare proxy in Node that runs already ${summarize(ceiling, 2)}`
    noteGoal(`${title}: exec, of the registry's`, ratio, { atMost: 1.02 }, limit)
  }
}

function ofSource(all: readonly Measured[], source: SourceName): Measured[] {
  return all.filter((each) => each.source === source)
}

function whole({ seconds }: Measured): number {
  return seconds
}

function ofClient({ clientSeconds }: Measured): number {
  return clientSeconds
}

function rowsOf(title: string, all: readonly Measured[]): Record<string, string>[] {
  const of = (source: SourceName): Measured[] => ofSource(all, source)
  return [...new Set(all.map(({ source }) => source))].map((source) => {
    const mine = of(source)
    const base = of('registry')
    return {
      [title]: source,
      seconds: summarizeBy(mine, whole, 2),
      'of the registry': summarize(ratios(mine.map(whole), base.map(whole)), 2),
      'from client start to end, s': summarizeBy(mine, ({ clientSeconds }) => clientSeconds, 2),
      '% from the neighbour': summarizeBy(mine, ({ fromPeer }) => 100 * fromPeer, 0),
      'registry sent, MB': summarizeBy(mine, ({ sentBytes }) => sentBytes / 1e6, 1),
      'cores busy': `${summarizeBy(mine, ({ coresBusy }) => 100 * coresBusy, 0)} %`,
    }
  })
}
