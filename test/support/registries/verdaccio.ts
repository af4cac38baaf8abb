/**
 * The real Verdaccio in a process of its own, with our plugin from the sources here (or another one), on loopback, in a home
 * of its own. Asked over HTTP only; its output is kept for error messages and for what it must have said.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isolatedEnvironment } from '../client.ts'
import { eventually } from '../daemon.ts'
import { repositoryRoot } from '../source-tree.ts'
import { freePort } from '../machines/free-port.ts'

export interface VerdaccioOptions {
  /** Everything of it lies in here: configuration, storage, the node's store. */
  readonly folder: string
  /** What `uplinks` and `packages` say, and everything else, as JSON. */
  readonly config: Readonly<Record<string, unknown>>
  /** Under `middlewares:`; undefined: no plugin. */
  readonly plugin?: Readonly<Record<string, unknown>> | undefined
  /** `bin/verdaccio` of another installation. */
  readonly program?: string
  readonly env?: Readonly<Record<string, string>>
}

export interface VerdaccioStatus {
  readonly mode: string
  readonly state?: string
  readonly tarballs: Readonly<
    Record<Source, { readonly artifacts: number; readonly bytes: number }>
  >
  readonly integrityFailures: Readonly<Record<Source, number>>
  readonly fallbacks: number
  readonly unverifiable: number
  readonly rescued: number
  readonly seeded: number
  readonly withdrawn: number
  readonly node?: {
    readonly peers: number
    readonly announced: number
    readonly store: { readonly artifacts: number }
    readonly id?: string
    readonly addresses?: readonly string[]
    readonly known?: readonly { readonly peer: string; readonly artifacts: number }[]
  }
}

type Source = 'store' | 'peer' | 'daemon' | 'uplink'

export interface Verdaccio extends AsyncDisposable {
  /** Without a trailing slash. */
  readonly url: string
  readonly storage: string
  readonly process: ChildProcess
  status(): Promise<VerdaccioStatus>
  /** What it has printed so far. */
  output(): string
  /** Ends it; its exit code, or the signal that ended it. */
  stop(signal?: NodeJS.Signals): Promise<number | string | null>
}

export const VERDACCIO_PROGRAM = join(
  repositoryRoot,
  ...['test', 'clients', 'node_modules', 'verdaccio', 'bin', 'verdaccio'],
)
const START_TIMEOUT_MS = 60_000
const STOP_TIMEOUT_MS = 20_000

/** Verdaccio's own, when it can't listen. */
const CANNOT_LISTEN = 2
const MAX_PORTS = 3

export async function startVerdaccio(options: VerdaccioOptions): Promise<Verdaccio> {
  for (let tries = 1; ; tries += 1) {
    const started = await tryStart(options, await freePort())
    if (!(started instanceof Error)) return started
    if (tries === MAX_PORTS) throw started
  }
}

/** An error when the port has gone to somebody else meanwhile. */
async function tryStart(options: VerdaccioOptions, port: number): Promise<Verdaccio | Error> {
  const { folder, plugin } = options
  const storage = join(folder, 'storage')
  const config = {
    storage: './storage',
    auth: { htpasswd: { file: './htpasswd', max_users: 10 } },
    web: { enable: false },
    log: { type: 'stdout', format: 'pretty', level: 'debug', colors: false },
    ...options.config,
    ...(plugin !== undefined && { middlewares: { 'catalog-p2p': plugin } }),
  }
  await mkdir(join(folder, 'tmp'), { recursive: true })
  const file = join(folder, 'config.yaml')
  await writeFile(file, JSON.stringify(config, null, 2)) // which is YAML as well
  const flags = ['--conditions=@catalog-p2p/source', '--disable-warning=ExperimentalWarning']
  const sources = options.program === undefined ? flags : []
  const program = options.program ?? VERDACCIO_PROGRAM
  const child = spawn(
    process.execPath,
    [...sources, program, '--config', file, '--listen', `127.0.0.1:${port}`],
    {
      cwd: folder,
      env: { ...isolatedEnvironment(folder), ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  let printed = ''
  const take = (text: string): void => {
    printed = (printed + text).slice(-1_000_000)
  }
  child.stdout.setEncoding('utf8').on('data', take)
  child.stderr.setEncoding('utf8').on('data', take)

  const url = `http://127.0.0.1:${port}`
  const verdaccio: Verdaccio = {
    ...{ url, storage, process: child },
    status: async () => (await (await fetch(`${url}/-/catalog/status`)).json()) as VerdaccioStatus,
    output: () => printed,
    stop: (signal = 'SIGTERM') => stop(child, signal),
    async [Symbol.asyncDispose]() {
      await stop(child, 'SIGTERM')
    },
  }
  try {
    await eventually(async () => {
      if (child.exitCode !== null) return
      const response = await fetch(`${url}/-/ping`)
      await response.arrayBuffer()
      if (response.status !== 200) throw new Error(`it answered ${response.status}`)
    }, START_TIMEOUT_MS)
  } catch (error) {
    await stop(child, 'SIGKILL')
    throw new Error(`Verdaccio did not start:\n${printed.slice(-4000)}`, { cause: error })
  }
  if (child.exitCode === null) return verdaccio
  const failure = new Error(`Verdaccio ended with ${child.exitCode}:\n${printed.slice(-4000)}`)
  if (child.exitCode === CANNOT_LISTEN) return failure
  throw failure
}

/** Waits until the plugin's node runs. */
export async function nodeIsUp(verdaccio: Verdaccio): Promise<VerdaccioStatus> {
  return await eventually(async () => {
    const status = await verdaccio.status()
    if (status.state === 'running') return status
    const lines = verdaccio.output().split('\n')
    const ours = lines.filter((line) => line.includes('catalog-p2p')).slice(-20)
    throw new Error(`the node is ${status.state}:\n${ours.join('\n')}`)
  }, START_TIMEOUT_MS)
}

/** The options of a node on loopback that finds nobody by itself. */
export function quietNetwork(bootstrap: readonly string[] = []): Record<string, unknown> {
  const off = { mdns: false, dht: false, upnp: false, relayClient: false }
  return { ...off, loopbackOnly: true, port: 0, bootstrap }
}

async function stop(child: ChildProcess, signal: NodeJS.Signals): Promise<number | string | null> {
  if (child.exitCode === null && child.signalCode === null) {
    const ended = once(child, 'exit')
    child.kill(signal)
    const deadline = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS)
    await ended
    clearTimeout(deadline)
  }
  return child.signalCode ?? child.exitCode
}
