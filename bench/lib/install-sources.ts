/** One real install on a machine where nothing is warm, from one of several sources; the home folder is new each time. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ExecReport } from '../../gateway/src/cli/exec/exec-report.ts'
import {
  execute,
  isolatedEnvironment,
  mustRunClient,
  type ClientResult,
} from '../../test/support/client.ts'
import { clientCommand, type Client } from '../../test/support/clients.ts'
import {
  checkOut,
  frozenArgs,
  PACKER,
  straight,
  type BenchClient,
  type Prepared,
  type Project,
} from './install-projects.ts'
import {
  BEHIND_GATEWAY,
  GATEWAY_PORT,
  REGISTRY,
  STORAGE,
  type InstallWorld,
} from './install-world.ts'
import type { Sent } from './upstream-child.ts'

export interface Install {
  readonly world: InstallWorld
  readonly project: Project
  readonly client: Client
  readonly name: BenchClient
  readonly prepared: Prepared
  /** Empty. */
  readonly folder: string
}

export interface Installed {
  readonly seconds: number
  /** Of these, from its start to its end: by exec its first requests may wait in it until the gateway is there. */
  readonly clientSeconds: number
  /** Of the artifacts. */
  readonly fromPeer: number
  /** By the registry. */
  readonly sentBytes: number
}

type Took = Omit<Installed, 'sentBytes'>

const TIMEOUT_MS = 240_000

export const SOURCE_NAMES = ['registry', 'Verdaccio', 'gateway', 'exec', 'cache archive'] as const
/** The last is what a process of Node that stands between costs at least, where it checks what it passes on. */
export const ALONE_NAMES = ['registry', 'exec', 'bare proxy'] as const
export type SourceName = (typeof SOURCE_NAMES | typeof ALONE_NAMES)[number]

const SOURCES: Readonly<Record<SourceName, (install: Install) => Promise<Took>>> = {
  registry: (install) => fromRegistry(install, REGISTRY),
  Verdaccio: fromVerdaccio,
  gateway: throughGateway,
  exec: byExec,
  'bare proxy': throughBareProxy,
  'cache archive': fromArchive,
}

export async function installFrom(source: SourceName, install: Install): Promise<Installed> {
  const { project, client, prepared, folder, world } = install
  await checkOut(cwdOf(folder), project, client, prepared.lockfile)
  await mkdir(join(homeOf(folder), 'tmp'), { recursive: true })
  await world.registry.call<Sent>('takeSent')
  const took = await SOURCES[source](install)
  const { bytes } = await world.registry.call<Sent>('takeSent')
  return { ...took, sentBytes: bytes }
}

function cwdOf(folder: string): string {
  return join(folder, 'project')
}

function homeOf(folder: string): string {
  return join(folder, 'home')
}

async function runClient(
  { world, name, folder }: Install,
  registry: string,
): Promise<ClientResult> {
  const host = new URL(registry).hostname
  const proxies = { NO_PROXY: `127.0.0.1,localhost,${host}` }
  return await mustRunClient(name, frozenArgs(name), {
    ...{ cwd: cwdOf(folder), home: homeOf(folder), registry, prefix: world.desk.prefix },
    timeoutMs: TIMEOUT_MS,
    env: {
      ...proxies,
      no_proxy: proxies.NO_PROXY,
      ...straight(name),
      ...(name === 'yarn-4' && { YARN_UNSAFE_HTTP_WHITELIST: proxies.NO_PROXY }),
    },
  })
}

async function fromRegistry(install: Install, registry: string): Promise<Took> {
  const { durationMs } = await runClient(install, registry)
  const seconds = durationMs / 1000
  return { seconds, clientSeconds: seconds, fromPeer: 0 }
}

async function fromVerdaccio(install: Install): Promise<Took> {
  const { verdaccio } = install.world
  if (verdaccio === undefined) throw new Error('there is no Verdaccio')
  return await fromRegistry(install, `http://${verdaccio.host}:${verdaccio.port}`)
}

/** Its daemon has just started, and its start is not counted. */
async function throughGateway(install: Install): Promise<Took> {
  await using daemon = await install.world.startDaemon(join(install.folder, 'daemon'))
  const took = await fromRegistry(install, `http://127.0.0.1:${GATEWAY_PORT}`)
  const { peer, store, origin } = (await daemon.status()).gateway.tarballs
  const all = peer.artifacts + store.artifacts + origin.artifacts
  return { ...took, fromPeer: peer.artifacts / all }
}

/** A process that has just started, and its start is not counted either. */
async function throughBareProxy(install: Install): Promise<Took> {
  const { stage, desk } = install.world
  const proxy = stage.start('lib/bare-proxy-child.ts', desk)
  try {
    const folder = join(install.folder, 'proxy')
    const port = await proxy.call<number>('start', { upstream: REGISTRY, folder })
    return await fromRegistry(install, `http://127.0.0.1:${port}`)
  } finally {
    await proxy.close()
  }
}

/** As in a CI job: the command, its node, the client, and their end. */
async function byExec(install: Install): Promise<Took> {
  const { world, client, name, folder } = install
  const home = homeOf(folder)
  // Bun can't be asked for its registry: it gets a gateway only where none is named.
  const isNamed = name !== 'bun'
  for (const [path, content] of Object.entries(client.files(REGISTRY))) {
    await writeFile(join(home, path), isNamed ? content : content.replace(/^registry=.*\n/m, ''))
  }
  const command = [...clientCommand(client), ...frozenArgs(name)]
  const options = isNamed ? [] : BEHIND_GATEWAY
  const env = { ...client.variables(home), ...straight(name) }
  const place = { cwd: cwdOf(folder), home, env, options }
  const { seconds, said } = await runExec(world, command, place)
  return { seconds, clientSeconds: said.durationMs / 1000, fromPeer: shareOfPeers(said) }
}

export interface ExecPlace {
  readonly cwd: string
  readonly home: string
  readonly env: Readonly<Record<string, string>>
  /** Of exec, beside those that are the same everywhere. */
  readonly options?: readonly string[]
}

/** `catalog exec` of a command on the client's machine. @throws Error when it fails, or runs without a gateway of its own */
export async function runExec(
  world: InstallWorld,
  command: readonly string[],
  { cwd, home, env, options = [] }: ExecPlace,
): Promise<{ seconds: number; said: ExecReport }> {
  const report = join(cwd, '..', 'report.json')
  const own = ['exec', '--report', report, ...world.options, ...options, '--']
  const [program = '', ...args] = [...world.desk.prefix, ...world.catalog, ...own, ...command]
  const result = await execute(program, args, {
    cwd,
    env: {
      ...isolatedEnvironment(home),
      ...env,
      CATALOG_PUBLIC_REGISTRY: `${REGISTRY}/`,
      CI: 'true',
    },
    timeoutMs: TIMEOUT_MS,
  })
  const what = command.join(' ')
  if (result.exitCode !== 0) throw new Error(`exec of ${what}: ${result.output.slice(-4000)}`)
  const said = JSON.parse(await readFile(report, 'utf8')) as ExecReport
  if (said.gateway !== 'own') throw new Error(`exec of ${what} ran without: ${said.problem}`)
  return { seconds: result.durationMs / 1000, said }
}

export function shareOfPeers({ sources }: ExecReport): number {
  if (sources === undefined) return NaN
  const { peer, origin, store } = sources
  return peer.artifacts / (peer.artifacts + origin.artifacts + store.artifacts)
}

/** Downloaded, unpacked, and then an install that finds all of it. */
async function fromArchive(install: Install): Promise<Took> {
  const { world, prepared, folder } = install
  const file = join(folder, prepared.archive)
  const step = async (...command: string[]): Promise<number> => {
    const [program = '', ...args] = [...world.desk.prefix, ...command]
    const { exitCode, output, durationMs } = await execute(program, args, {
      ...{ cwd: folder, env: isolatedEnvironment(homeOf(folder)), timeoutMs: TIMEOUT_MS },
    })
    if (exitCode !== 0) throw new Error(`${command.join(' ')}: ${output}`)
    return durationMs
  }
  const downloadMs = await step('curl', '-sSf', '-o', file, `${STORAGE}/${prepared.archive}`)
  const unpackMs = await step('tar', '-I', PACKER.program, '-xf', file, '-C', homeOf(folder))
  const { clientSeconds } = await fromRegistry(install, REGISTRY)
  const seconds = (downloadMs + unpackMs) / 1000 + clientSeconds
  return { seconds, clientSeconds, fromPeer: 0 }
}
