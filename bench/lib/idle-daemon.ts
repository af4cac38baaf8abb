/** A daemon that has nothing to do, with so many peers and artifacts: memory, processor, chatter; and rivals that have nothing to do. */
import { existsSync } from 'node:fs'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../../test/support/machines/free-port.ts'
import { createLan, whyNoNamespaces } from '../../test/support/machines/namespaces.ts'
import type { Child } from './child.ts'
import { machineAt } from './machine.ts'
import type { PackedCatalog } from './packed-catalog.ts'
import { VERDACCIO } from './rivals.ts'
import { Stage } from './stage.ts'
import { startBare, startCatalog, startVerdaccio, timeOf } from './start-programs.ts'
import { cpuMsOf, memoryMibOf, ownMemoryMibOf } from './timed-process.ts'

const HOUR_MS = 3_600_000

export interface Times {
  /** By then what a start leaves to be done is done. */
  readonly settleMs: number
  readonly watchMs: number
}

export interface Case {
  readonly peers: number
  readonly artifacts: number
}

export interface Idle extends Case {
  readonly name: string
  readonly connected: number
  /** Artifacts that one of the peers knows this one to have. */
  readonly heard: number
  readonly mib: number
  readonly ownMib: number
  readonly cpuPercent: number
  readonly bytesPerHour: number
  /** For so long: signs of life, each ten minutes, are in it or not. */
  readonly watchMs: number
}

/** On a machine of its own, where every byte on its loopback is of this daemon and its peers; else without that number. */
export async function measureIdle(
  catalog: PackedCatalog,
  { peers, artifacts }: Case,
  { settleMs, watchMs }: Times,
): Promise<Idle> {
  await using stage = await Stage.open()
  const hasMachines = (await whyNoNamespaces()) === undefined
  await using lan = hasMachines ? await createLan(['idle']) : undefined
  const [machine] = lan?.machines.map(machineAt) ?? []
  const prefix = machine?.prefix ?? []
  const home = join(stage.folder, 'home')
  await mkdir(home, { recursive: true })
  const child = stage.start('lib/idle-peers-child.ts', machine)
  const path = join(home, 'store')
  const [port, peerPort] = [await freePort(), await freePort()]
  const start = { home, prefix, port, peerPort, isAway: true }
  // What a daemon finds at its very first start it takes for private, and says nothing of it to peers.
  await timeOf(startCatalog(catalog, start))
  await child.call('fill', { path, artifacts })
  await using daemon = await startCatalog(catalog, start)
  await connect(child, path, { peers, peerPort })
  await sleep(settleMs)
  const sent = async (): Promise<number> =>
    hasMachines ? await child.call<number>('loopbackBytes') : NaN
  const [cpuBefore, bytesBefore] = [cpuMsOf(daemon.pid), await sent()]
  await sleep(watchMs)
  const cpuPercent = (100 * (cpuMsOf(daemon.pid) - cpuBefore)) / watchMs
  const bytes = (await sent()) - bytesBefore
  const connected = await child.call<number>('connected')
  const heard = await child.call<number>('heard')
  if (peers > 0 && heard < artifacts) console.log(`peers have heard of only ${heard} artifacts`)
  return {
    name: `catalog, ${connected} of ${peers} peers, ${artifacts.toLocaleString('en')} artifacts`,
    ...{ peers, artifacts, connected, heard, cpuPercent },
    mib: memoryMibOf(daemon.pid),
    ownMib: ownMemoryMibOf(daemon.pid),
    bytesPerHour: (bytes * HOUR_MS) / watchMs,
    watchMs,
  }
}

/** Verdaccio, and a libp2p node, side by side: both have nothing to do. */
export async function measureIdleRivals(
  catalog: PackedCatalog,
  { settleMs, watchMs }: Times,
): Promise<Idle[]> {
  await using stage = await Stage.open()
  await using libp2p = await startBare(catalog)
  await using verdaccio = existsSync(VERDACCIO) ? await startVerdaccio(stage.folder) : undefined
  await sleep(settleMs)
  const subjects = [
    { name: 'bare libp2p with QUIC', pid: libp2p.pid },
    ...(verdaccio === undefined ? [] : [{ name: 'Verdaccio', pid: verdaccio.pid }]),
  ].map((each) => ({ ...each, cpuBefore: cpuMsOf(each.pid) }))
  await sleep(watchMs)
  return subjects.map(({ name, pid, cpuBefore }) => ({
    ...{ name, peers: 0, artifacts: 0, connected: 0, heard: 0, bytesPerHour: NaN, watchMs },
    mib: memoryMibOf(pid),
    ownMib: ownMemoryMibOf(pid),
    cpuPercent: (100 * (cpuMsOf(pid) - cpuBefore)) / watchMs,
  }))
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

export function rowOf({
  name,
  peers,
  mib,
  ownMib,
  cpuPercent,
  bytesPerHour,
  watchMs,
}: Idle): Record<string, string> {
  const isKnown = !Number.isNaN(bytesPerHour)
  return {
    idle: name,
    'watched, s': (watchMs / 1000).toFixed(0),
    'MiB resident': mib.toFixed(0),
    'of it not of files': ownMib.toFixed(0),
    '% of a core': cpuPercent.toFixed(2),
    'MB an hour with all peers': isKnown ? (bytesPerHour / 1e6).toFixed(1) : '',
    'kB an hour and peer': isKnown && peers > 0 ? (bytesPerHour / 1e3 / peers).toFixed(0) : '',
  }
}
