/**
 * The daemon as people run it, `catalog start` in a process of its own, here or on a machine made of a
 * network namespace. It is asked over HTTP from where it is; nothing is read from its output but words
 * for the error message when it does not come up.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { catalogProgram } from './catalog-program.ts'
import { isolatedEnvironment } from './client.ts'
import { startProgram, type Program } from './json-lines.ts'
import type { Place } from './machines/namespace-tools.ts'
import { publicRegistry } from './registries/public-registry.ts'

export interface DaemonOptions {
  /** After `catalog start`, or the other command that is a daemon. */
  readonly args: readonly string[]
  readonly command?: 'start' | 'witness'
  readonly home: string
  /** The gateway's, as `args` say it. */
  readonly port: number
  /** Where it runs, and is asked from; by default here. */
  readonly place?: Place
  /** What `catalog` is; by default catalog-program.ts. */
  readonly catalog?: readonly string[]
}

/** The part of /-/catalog/status that tests look at. */
export interface DaemonStatus {
  readonly node: {
    readonly id: string
    readonly addresses: readonly string[]
    readonly peers: number
    readonly store: { readonly artifacts: number }
  }
  readonly gateway: { readonly tarballs: Readonly<Record<'store' | 'peer' | 'origin', Served>> }
}

export interface Served {
  readonly artifacts: number
  readonly bytes: number
}

export interface DaemonPeer {
  readonly peer: string
  readonly transport: string
  readonly connectedAtMs: number
  readonly artifacts: number
}

export interface Daemon extends AsyncDisposable {
  readonly url: string
  status(): Promise<DaemonStatus>
  peers(): Promise<readonly DaemonPeer[]>
  /** What it has printed so far. */
  output(): string
  /** SIGTERM, and SIGKILL if that takes too long; its exit code, or null when killed. */
  stop(): Promise<number | null>
}

const ASKER = join(import.meta.dirname, 'asker.ts')
const START_TIMEOUT_MS = 30_000
const STOP_TIMEOUT_MS = 20_000
const POLL_MS = 100

export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const { home, port, place } = options
  await mkdir(join(home, 'tmp'), { recursive: true })
  const catalog = options.catalog ?? [process.execPath, ...(await catalogProgram())]
  const argv = [...(place?.prefix ?? []), ...catalog, options.command ?? 'start', ...options.args]
  const [command = '', ...args] = argv
  const env = { ...isolatedEnvironment(home), ...(await publicRegistry(options.args, [home])) }
  const child = spawn(command, args, { cwd: home, env, stdio: ['ignore', 'pipe', 'pipe'] })
  let printed = ''
  const take = (text: string): void => {
    printed = (printed + text).slice(-100_000)
  }
  child.stdout.setEncoding('utf8').on('data', take)
  child.stderr.setEncoding('utf8').on('data', take)

  const url = `http://127.0.0.1:${port}`
  // Its loopback is not ours when it runs in a namespace.
  const asker = place && startProgram(place, ASKER)
  const ask = <T>(path: string): Promise<T> => fetchJson<T>(`${url}/-/catalog/${path}`, asker)
  const end = async (): Promise<number | null> => {
    await asker?.[Symbol.asyncDispose]()
    return stop(child)
  }
  const daemon: Daemon = {
    url,
    status: () => ask('status'),
    peers: async () => (await ask<{ peers: readonly DaemonPeer[] }>('peers')).peers,
    output: () => printed,
    stop: end,
    async [Symbol.asyncDispose]() {
      await end()
    },
  }
  try {
    await eventually(() => {
      if (child.exitCode !== null) throw new Fatal(`it ended with ${child.exitCode}`)
      return ask('health')
    }, START_TIMEOUT_MS)
  } catch (error) {
    await end()
    throw new Error(`the daemon did not start:\n${printed.slice(-4000)}`, { cause: error })
  }
  return daemon
}

/** Not worth trying again. */
class Fatal extends Error {}

/** Tries until `attempt` no longer throws; throws what it threw last when the time is over. */
export async function eventually<T>(attempt: () => Promise<T>, timeoutMs: number): Promise<T> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      if (error instanceof Fatal || performance.now() > deadline) throw error
    }
    await sleep(POLL_MS)
  }
}

/** Of the daemon with that store; its file is there a moment after it answers. */
export async function pidOf(store: string): Promise<number> {
  const read = async (): Promise<string> => readFile(join(store, 'daemon.json'), 'utf8')
  const { pid } = JSON.parse(await eventually(read, START_TIMEOUT_MS)) as { pid: number }
  return pid
}

async function fetchJson<T>(url: string, asker: Program | undefined): Promise<T> {
  if (asker === undefined) return (await (await fetch(url)).json()) as T
  const answer = await asker.tell<T | { error: string }>('get', url)
  if (answer instanceof Object && 'error' in answer) throw new Error(answer.error)
  return answer
}

async function stop(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  const deadline = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS)
  await ended
  clearTimeout(deadline)
  return child.exitCode
}
