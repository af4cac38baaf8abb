/**
 * Question: what does it cost to be there? The time from the command to the first answer, and to the first peer, of `catalog start`
 * as npm installs it; what an idle daemon holds in memory, takes of a core and says to its peers. Beside Verdaccio, a bare
 * libp2p node with QUIC, and Node alone. Goals: 0.7 s to serving; 120 MB with 100 peers and 10,000 artifacts; 0.5 % of a core.
 */
import { existsSync } from 'node:fs'
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../test/support/free-port.ts'
import { createLan, whyNoNamespaces } from '../test/support/namespaces.ts'
import type { Child } from './lib/child.ts'
import { machineAt } from './lib/machine.ts'
import { summarize, toMarkdownTable } from './lib/measure.ts'
import { installPacked, type PackedCatalog } from './lib/packed-catalog.ts'
import { VERDACCIO } from './lib/rivals.ts'
import { Stage } from './lib/stage.ts'
import {
  ask,
  cpuMsOf,
  memoryMibOf,
  runTimed,
  startTimed,
  type Started,
} from './lib/timed-process.ts'

const GOAL_MS = 700
/** By then what a start leaves to be done is done. */
const SETTLE_MS = 40_000
const WATCH_MS = 60_000
const HOUR_MS = 3_600_000
const CASES = [
  { peers: 0, artifacts: 0 },
  { peers: 100, artifacts: 10_000 },
]
const MORE_CASES = [
  { peers: 10, artifacts: 10_000 },
  { peers: 100, artifacts: 100_000 },
]

interface Case {
  readonly peers: number
  readonly artifacts: number
}

interface Time {
  readonly ms: number
  readonly cpuMs: number
}

type Subject =
  | 'node -e 0'
  | 'bare libp2p with QUIC'
  | 'Verdaccio'
  | 'catalog --version'
  | 'catalog, first start'
  | 'catalog'
  | 'catalog, its first peer'

/** `full`: more peers and artifacts, which takes minutes. */
export async function run(options: { rounds: number; full: boolean }): Promise<unknown> {
  await using stage = await Stage.open()
  const catalog = await installPacked(stage.folder)
  const starts: Partial<Record<Subject, Time>>[] = []
  for (let round = 0; round < options.rounds; round += 1) {
    starts.push(await measureStarts(stage, catalog, join(stage.folder, `round-${round}`)))
  }
  showStarts(starts)
  const idle: Idle[] = []
  for (const each of [...CASES, ...(options.full ? MORE_CASES : [])]) {
    idle.push(await measureIdle(catalog, each))
  }
  console.log(`\n${toMarkdownTable(idle.map(rowOf))}`)
  return { starts, idle }
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
  const bare = join(catalog.modules, '@catalog-p2p', 'core', 'bare-libp2p.mjs')
  await copyFile(new URL('lib/bare-libp2p.mjs', import.meta.url), bare)
  const alone = await plain(['-e', '0'])
  const first = await timeOf(startCatalog(catalog, { home: folder }))
  const libp2p = await timeOf(startTimed({ args: [bare] }, (said) => said.includes('ready')))
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

async function timeOf(starting: Promise<Started>): Promise<Time> {
  await using started = await starting
  const { ms, cpuMs } = started
  return { ms, cpuMs }
}

/** From the command until a peer that it has been told of is connected. */
async function firstPeer(stage: Stage, catalog: PackedCatalog, folder: string): Promise<Time> {
  const { address } = await stage.startNode(`beside-${folder.split('-').at(-1)}`)
  return await timeOf(startCatalog(catalog, { home: folder, bootstrap: address, until: 1 }))
}

interface CatalogRun {
  readonly home: string
  readonly prefix?: readonly string[]
  readonly port?: number
  readonly peerPort?: number
  readonly bootstrap?: string
  /** It counts as started with so many peers. */
  readonly until?: number
  /** Where nobody but the child of this benchmark can ask it. */
  readonly isAway?: boolean
}

async function startCatalog(catalog: PackedCatalog, run: CatalogRun): Promise<Started> {
  const port = run.port ?? (await freePort())
  const url = `http://127.0.0.1:${port}/-/catalog/`
  const args = [
    ...[
      catalog.program,
      'start',
      '--json',
      '--port',
      `${port}`,
      '--store',
      join(run.home, 'store'),
    ],
    ...['--upstream', 'http://127.0.0.1:9/', '--network.port', `${run.peerPort ?? 0}`, '--no-mdns'],
    // All peers come from one address here, which has a quarter of the places.
    '--max-connections',
    '400',
    ...(run.bootstrap === undefined ? [] : ['--bootstrap', run.bootstrap]),
  ]
  const command = { args, env: environment(run.home), cwd: run.home, prefix: run.prefix ?? [] }
  return await startTimed(command, async (said) => {
    if (run.isAway) return said.includes('daemon.started')
    if (run.until === undefined) return (await ask(`${url}health`)) !== undefined
    const status = await ask(`${url}status`)
    return status !== undefined && peersIn(status) >= run.until
  })
}

function peersIn(status: string): number {
  return (JSON.parse(status) as { node: { peers: number } }).node.peers
}

async function startVerdaccio(folder: string): Promise<Started> {
  const config = join(folder, 'verdaccio.yaml')
  await writeFile(
    config,
    `storage: ./storage
auth: { htpasswd: { file: ./htpasswd } }
uplinks: { up: { url: 'http://127.0.0.1:9/' } }
packages: { '**': { access: $all, proxy: up } }
log: { type: stdout, format: json, level: error }
`,
  )
  const port = await freePort()
  const args = [VERDACCIO, '-c', config, '-l', `127.0.0.1:${port}`]
  const isUp = async (): Promise<boolean> =>
    (await ask(`http://127.0.0.1:${port}/-/ping`)) !== undefined
  return await startTimed({ args, env: environment(folder), cwd: folder }, isUp)
}

/** A home that is empty at first, and nothing else that would change a start. */
function environment(home: string): NodeJS.ProcessEnv {
  const { PATH, SystemRoot } = process.env
  return { PATH, SystemRoot, HOME: home, USERPROFILE: home, LOCALAPPDATA: home, APPDATA: home }
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

interface Idle extends Case {
  readonly connected: number
  readonly mib: number
  readonly cpuPercent: number
  readonly bytesPerHour: number
}

/** On a machine of its own, where every byte on its loopback is of this daemon and its peers; else without that number. */
async function measureIdle(catalog: PackedCatalog, { peers, artifacts }: Case): Promise<Idle> {
  await using stage = await Stage.open()
  const hasMachines = (await whyNoNamespaces()) === undefined
  await using lan = hasMachines ? await createLan(['idle']) : undefined
  const [machine] = lan?.machines.map(machineAt) ?? []
  const prefix = machine?.prefix ?? []
  const home = join(stage.folder, 'home')
  await mkdir(home, { recursive: true })
  const child = stage.start('lib/idle-peers-child.ts', machine)
  const path = join(home, 'store')
  await child.call('fill', { path, artifacts })
  const [port, peerPort] = [await freePort(), await freePort()]
  await using daemon = await startCatalog(catalog, { home, prefix, port, peerPort, isAway: true })
  await connect(child, path, { peers, peerPort })
  await sleep(SETTLE_MS)
  const sent = async (): Promise<number> =>
    hasMachines ? await child.call<number>('loopbackBytes') : NaN
  const [cpuBefore, bytesBefore] = [cpuMsOf(daemon.pid), await sent()]
  await sleep(WATCH_MS)
  const cpuPercent = (100 * (cpuMsOf(daemon.pid) - cpuBefore)) / WATCH_MS
  const bytes = (await sent()) - bytesBefore
  const connected = await child.call<number>('connected')
  return {
    ...{ peers, artifacts, connected, cpuPercent },
    mib: memoryMibOf(daemon.pid),
    bytesPerHour: (bytes * HOUR_MS) / WATCH_MS,
  }
}

/** The peer id is in the file that the daemon writes for other commands. */
async function connect(
  child: Child,
  storePath: string,
  { peers, peerPort }: { peers: number; peerPort: number },
): Promise<void> {
  if (peers === 0) return
  const { id } = JSON.parse(await readFile(join(storePath, 'daemon.json'), 'utf8')) as {
    id: string
  }
  const address = `/ip4/127.0.0.1/udp/${peerPort}/quic-v1/p2p/${id}`
  await child.call('connect', { address, count: peers })
}

function rowOf({
  peers,
  artifacts,
  connected,
  mib,
  cpuPercent,
  bytesPerHour,
}: Idle): Record<string, string> {
  return {
    'idle with': `${connected} of ${peers} peers, ${artifacts.toLocaleString('en')} artifacts`,
    'MiB resident': mib.toFixed(0),
    '% of a core': cpuPercent.toFixed(2),
    'MB an hour with all peers': Number.isNaN(bytesPerHour)
      ? 'unknown'
      : (bytesPerHour / 1e6).toFixed(1),
    'kB an hour and peer': peers === 0 ? '' : (bytesPerHour / 1e3 / peers).toFixed(0),
  }
}
