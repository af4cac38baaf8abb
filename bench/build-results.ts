/**
 * Question: what does it save to have the results of builds from another machine? Turborepo, Nx and `pnpm pipeline` on a monorepo of
 * 8 packages whose builds take a second of processor time each and give 200 KB: built with no results anywhere, built and given to
 * the daemon, from the tool's own cache, from the daemon in a new checkout, and, in new checkouts with empty caches, from the daemon
 * of another machine, and from there again. Both daemons, tool and builds share this machine's processors. Wall time of the whole
 * command: that is what somebody waits for.
 */
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { generateKey, type NodePeer } from '@catalog-p2p/core'
import {
  buildTools,
  runTool,
  toolKeys,
  whyNoTool,
  writeMonorepo,
  type BuildTool,
  type BuildToolName,
  type ResultsPlace,
} from '../test/support/build-tools.ts'
import { LOOPBACK, networkOf } from './lib/machine.ts'
import { summarizeBy, toMarkdownTable } from './lib/measure.ts'
import type { NetworkMachineOptions } from './lib/network-child.ts'
import { Stage } from './lib/stage.ts'

const MONOREPO = { packages: 8, bytes: 200_000, cpuMs: 1_000 }
const QUICK_MONOREPO = { packages: 2, bytes: 10_000, cpuMs: 0 }
const TOKEN = 'a-token-for-this-bench-only'
/** As long as no busy machine needs: what is measured is how long they take, not who gives up. */
const WAIT_MS = 2_000

const WAYS = [
  'built',
  'built, and given to the daemon',
  'own cache',
  'from the daemon',
  'from another machine',
  'from there again',
] as const
type Way = (typeof WAYS)[number]

interface Machine {
  readonly place: ResultsPlace
  /** Bytes that it has had from peers. */
  received(): Promise<number>
}

interface Sample {
  readonly tool: BuildToolName
  readonly way: Way
  readonly seconds: number
  /** Tasks. */
  readonly cached: number
  /** Over the network. */
  readonly bytes: number
}

export async function run(options: { rounds: number; quick: boolean }): Promise<unknown> {
  installNx()
  const keys = toolKeys()
  const tools = buildTools(keys).filter((tool) => {
    const reason = whyNoTool(tool)
    if (reason !== undefined) console.log(`${tool.name}: left out, ${reason}`)
    return reason === undefined
  })
  const samples: Sample[] = []
  for (let round = 0; round < options.rounds; round += 1) {
    for (const tool of tools) samples.push(...(await measure(tool, options.quick)))
  }
  const rows = [...Map.groupBy(samples, ({ tool }) => tool)].map(([tool, all]) => {
    const of = (way: Way): Sample[] => all.filter((each) => each.way === way)
    const seconds = WAYS.map((way) => [`${way}, s`, summarizeBy(of(way), (s) => s.seconds, 1)])
    const megabytes = summarizeBy(of('from another machine'), ({ bytes }) => bytes / 1e6, 2)
    return { tool, ...Object.fromEntries(seconds), 'MB from there': megabytes }
  })
  console.log(toMarkdownTable(rows))
  return samples
}

/** Its postinstall is not needed. */
function installNx(): void {
  const folder = fileURLToPath(new URL('rivals', import.meta.url))
  if (existsSync(join(folder, 'node_modules', 'nx'))) return
  console.log('installing Nx into bench/rivals (once; needs the network)')
  const npm = join(dirname(fileURLToPath(import.meta.url)), '..', 'test', 'clients')
  const program = join(npm, 'node_modules', 'npm-11', 'bin', 'npm-cli.js')
  const args = [program, 'ci', '--ignore-scripts', '--no-audit', '--no-fund']
  try {
    execFileSync(process.execPath, args, { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] })
  } catch {
    console.log('Nx could not be installed') // and is left out, which is said
  }
}

async function measure(tool: BuildTool, quick: boolean): Promise<Sample[]> {
  await using stage = await Stage.open()
  const [builder, other] = await startMachines(stage)
  const monorepo = quick ? QUICK_MONOREPO : MONOREPO
  const samples: Sample[] = []
  const build = async (way: Way, checkout: string, machine?: Machine): Promise<void> => {
    const folder = join(stage.folder, checkout)
    if (!existsSync(folder)) await writeMonorepo(folder, tool.name, monorepo)
    const before = await other.received()
    const place = machine?.place
    const {
      exitCode,
      output,
      durationMs,
      cached = 0,
    } = await runTool(tool, {
      ...{ folder, home: `${folder}-home`, place },
    })
    const isBuilt = way.startsWith('built')
    if (exitCode !== 0 || cached !== (isBuilt ? 0 : monorepo.packages)) {
      throw new Error(
        `${tool.name}, ${way}: ${cached} from a cache, exit code ${exitCode}\n${output}`,
      )
    }
    const bytes = (await other.received()) - before
    samples.push({ tool: tool.name, way, seconds: durationMs / 1000, cached, bytes })
    console.log(`${tool.name}, ${way}: ${(durationMs / 1000).toFixed(1)} s`)
  }
  await build('built', 'alone')
  await build('built, and given to the daemon', 'first', builder)
  for (let index = 0; index < monorepo.packages; index += 1) {
    await rm(join(stage.folder, 'first', 'packages', `p${index}`, 'dist'), { recursive: true })
  }
  await build('own cache', 'first', builder)
  await build('from the daemon', 'second', builder)
  await build('from another machine', 'third', other)
  await build('from there again', 'fourth', other)
  return samples
}

async function startMachines(stage: Stage): Promise<[builder: Machine, other: Machine]> {
  const secret = generateKey().exportSecret()
  const start = async (name: string, mode: 'read' | 'write') => {
    const child = stage.start('lib/network-child.ts')
    const options: NetworkMachineOptions = {
      folder: join(stage.folder, name),
      node: {
        network: networkOf(LOOPBACK),
        store: { path: join(stage.folder, name, 'store') },
      },
      ...{ secret, isPublisher: mode === 'write', token: `${TOKEN}-to-publish`, replication: 0 },
      gateway: {
        ...{ buildResults: mode, buildToken: TOKEN, privateSwarm: true },
        buildResultsWaitMs: WAIT_MS,
      },
    }
    const { addresses, port } = await child.call<{ addresses: string[]; port: number }>(
      'start',
      options,
    )
    const place = { url: `http://127.0.0.1:${port}/-/catalog/builds/acme`, token: TOKEN }
    const received = async (): Promise<number> => {
      const peers = await child.call<NodePeer[]>('peers')
      return peers.reduce((sum, { receivedBytes }) => sum + receivedBytes, 0)
    }
    return { child, addresses, place, received }
  }
  const [builder, other] = [await start('builder', 'write'), await start('other', 'read')]
  await other.child.call(
    'connect',
    builder.addresses.filter((each) => each.includes('/quic')),
  )
  return [builder, other]
}
