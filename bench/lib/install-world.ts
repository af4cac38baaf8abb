/**
 * The surroundings of real installs, of network namespaces: a client's machine and an office server on a LAN of 1 Gbit/s, a
 * registry and the storage behind a CI's cache behind 200 Mbit/s and 50 ms. What is far is reached through a relay on one's own
 * loopback (relay-child.ts), so one address is right everywhere, in lockfiles and documents too.
 */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startDaemon, eventually, type Daemon } from '../../test/support/daemon.ts'
import { writeKeyring } from '../../test/support/signed-swarm.ts'
import type { Child } from './child.ts'
import type { Corpus } from './corpus.ts'
import { LOOPBACK, type BenchMachine } from './machine.ts'
import { installPacked } from './packed-catalog.ts'
import { certify } from './registry-certificate.ts'
import { startReplayClient, type Target } from './replay-client.ts'
import { startVerdaccio } from './rivals.ts'
import type { Stage } from './stage.ts'

export const LAN = { bitsPerSecond: 1_000_000_000 }
export const UPLINK = { bitsPerSecond: 200_000_000 }
export const ROUND_TRIP_MS = 50
export const REGISTRY_PORT = 4890
const STORAGE_PORT = 4891
export const GATEWAY_PORT = 4874
const PEER_PORT = 4875
const FIND_TIMEOUT_MS = 60_000

export const REGISTRY = `https://127.0.0.1:${REGISTRY_PORT}`
/** For what does not name its registry itself. */
export const BEHIND_GATEWAY = ['--upstream', `${REGISTRY}/`] as const
export const STORAGE = `http://127.0.0.1:${STORAGE_PORT}`
/** A daemon syncs what it stores 30 s after the last file, and that should not fall into a round. */
const SYNCED_MS = 40_000
/** A daemon that finds its neighbours on the LAN, and nobody else: there is no internet here. */
const NEIGHBOURS = ['--no-dht', '--no-relay-client']

export interface InstallWorld {
  readonly stage: Stage
  /** Where clients install. */
  readonly desk: BenchMachine
  /** Where the registry runs: no relay, no line. */
  readonly registryMachine: BenchMachine
  readonly registry: Child
  /** Files here can be downloaded from `STORAGE`. */
  readonly archives: string
  readonly verdaccio: Target | undefined
  /** The command, before its arguments. */
  readonly catalog: readonly [string, string]
  /** Options of a daemon or of `catalog exec` that are the same everywhere. */
  readonly options: readonly string[]
  /** Starts the peer on the office server, gives it all packages, and waits until it rests. */
  startPeer(): Promise<void>
  /** A daemon of its own on the client's machine, as soon as it knows what the peer has. */
  startDaemon(home: string): Promise<Daemon>
}

export async function startInstallWorld(stage: Stage, corpus: Corpus): Promise<InstallWorld> {
  const catalog = await installPacked(stage.folder)
  const names = ['desk', 'office', 'registry']
  const machines = await stage.machines(names, LAN, { registry: UPLINK })
  const [desk = LOOPBACK, office = LOOPBACK, registryMachine = LOOPBACK] = machines
  const tls = await certify(stage)
  const { child: registry, key } = await stage.startUpstream([corpus], {
    ...{ machine: registryMachine, openPort: REGISTRY_PORT, isSigned: true, hasTimes: true, tls },
  })
  const archives = join(stage.folder, 'archives')
  await mkdir(archives)
  const storage = stage.start('lib/file-child.ts', registryMachine)
  await storage.call('start', { folder: archives, port: STORAGE_PORT })
  const relayTo = async (machine: BenchMachine, port: number): Promise<void> => {
    const to = { host: registryMachine.ipv4, port }
    const relay = stage.start('lib/relay-child.ts', machine)
    const speaksTls = port === REGISTRY_PORT
    await relay.call('start', { port, to, speaksTls, roundTripMs: ROUND_TRIP_MS })
  }
  await relayTo(desk, REGISTRY_PORT)
  await relayTo(desk, STORAGE_PORT)
  await relayTo(office, REGISTRY_PORT)

  const keyring = join(stage.folder, 'registry-keys.json')
  if (key !== undefined) await writeKeyring(keyring, `${REGISTRY}/`, key)
  const ask = startReplayClient(stage, office)
  const verdaccio = await startVerdaccio(REGISTRY, { stage, machine: office, client: ask })
  const fill = async (target: Target): Promise<void> => {
    await ask.ask(target, corpus.files, { sendIntegrity: false })
  }
  if (verdaccio !== undefined) await fill(verdaccio)

  const options = ['--keyring', keyring, ...NEIGHBOURS]
  const command = [process.execPath, catalog.program] as const
  const start = async (machine: BenchMachine, home: string): Promise<Daemon> => {
    const ports = ['--port', `${GATEWAY_PORT}`, '--network.port', `${PEER_PORT}`]
    const args = [...ports, ...BEHIND_GATEWAY, ...options]
    const { place } = machine
    return await startDaemon({ args, home, port: GATEWAY_PORT, catalog: command, ...at(place) })
  }
  return {
    ...{ stage, desk, registryMachine, registry, archives, verdaccio, options },
    catalog: [...command],
    async startPeer() {
      const peer = await start(office, join(stage.folder, 'peer'))
      stage.defer(async () => void (await peer.stop()))
      await fill({ port: GATEWAY_PORT })
      await sleep(SYNCED_MS)
    },
    async startDaemon(home) {
      const daemon = await start(desk, home)
      await eventually(async () => {
        const heard = (await daemon.peers()).map(({ artifacts }) => artifacts)
        if (Math.max(0, ...heard) < corpus.files.length) throw new Error('the peer was not found')
      }, FIND_TIMEOUT_MS)
      return daemon
    },
  }
}

function at(place: BenchMachine['place']): { place?: NonNullable<BenchMachine['place']> } {
  return place === undefined ? {} : { place }
}
