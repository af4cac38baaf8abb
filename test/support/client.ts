/**
 * Runs a real package manager in a world of its own: home, caches, stores, configuration and
 * temporary files all in one folder, nothing inherited from whoever runs the tests. TLS goes to a dead
 * proxy, so that a client which turns to the public registry fails instead of getting there.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { clientCommand, findClient, type ClientName } from './clients.ts'

export interface ClientRun {
  /** The project. */
  readonly cwd: string
  /** Base URL, no trailing slash. */
  readonly registry: string
  /** The isolated home; the same home again means warm caches. */
  readonly home: string
  readonly timeoutMs?: number
  /** Variables on top. */
  readonly env?: Readonly<Record<string, string>>
  /** A command that runs another one elsewhere: a machine of namespaces.ts has one. */
  readonly prefix?: readonly string[]
  /** What it is told when it asks: the end of its question, and the answer. Nothing by default. */
  readonly answers?: Answers
  /** Told what it prints, as it comes. */
  readonly onOutput?: (text: string) => void
}

export type Answers = readonly (readonly [question: string, answer: string])[]

export interface ClientResult {
  /** null when it was killed. */
  readonly exitCode: number | null
  /** What it printed, both streams, in order of arrival. */
  readonly output: string
  readonly durationMs: number
}

/** Longest output kept; a client that prints more is broken, and its end says more than its start. */
const MAX_OUTPUT_CHARS = 1_000_000

export async function runClient(
  name: ClientName,
  args: readonly string[],
  run: ClientRun,
): Promise<ClientResult> {
  const client = findClient(name)
  const temporary = join(run.home, 'tmp')
  await mkdir(temporary, { recursive: true })
  for (const [path, content] of Object.entries(client.files(run.registry))) {
    await writeFile(join(run.home, path), content)
  }
  const [command = '', ...rest] = [...(run.prefix ?? []), ...clientCommand(client), ...args]
  return execute(command, rest, {
    cwd: run.cwd,
    timeoutMs: run.timeoutMs ?? 60_000,
    ...(run.answers !== undefined && { answers: run.answers }),
    ...(run.onOutput !== undefined && { onOutput: run.onOutput }),
    env: { ...isolatedEnvironment(run.home), ...client.variables(run.home), ...run.env },
  })
}

/** Like runClient, and throws with the client's own words unless it succeeds. */
export async function mustRunClient(
  name: ClientName,
  args: readonly string[],
  run: ClientRun,
): Promise<ClientResult> {
  const result = await runClient(name, args, run)
  if (result.exitCode !== 0) {
    const tail = result.output.slice(-4000)
    throw new Error(`${name} ${args.join(' ')} exited with ${result.exitCode}:\n${tail}`)
  }
  return result
}

/** The environment of a program that must see nothing of this user's. */
export function isolatedEnvironment(home: string): Record<string, string> {
  const folders = {
    HOME: home,
    USERPROFILE: home,
    APPDATA: join(home, 'appdata'),
    LOCALAPPDATA: join(home, 'local-appdata'),
    XDG_CONFIG_HOME: join(home, 'config'),
    XDG_CACHE_HOME: join(home, 'cache'),
    XDG_DATA_HOME: join(home, 'data'),
    XDG_STATE_HOME: join(home, 'state'),
    XDG_RUNTIME_DIR: join(home, 'run'),
    TMPDIR: join(home, 'tmp'),
    TEMP: join(home, 'tmp'),
    TMP: join(home, 'tmp'),
  }
  // The compile cache of this test run (test-run.ts), and whom a benchmark's registry is certified by, are all that programs share.
  const shared = ['NODE_COMPILE_CACHE', 'NODE_EXTRA_CA_CERTS']
  const inherited = ['SystemRoot', 'ComSpec', 'PATHEXT', 'LD_LIBRARY_PATH', ...shared]
  return {
    ...Object.fromEntries(inherited.flatMap((key) => entryOf(key))),
    ...folders,
    PATH: [dirname(process.execPath), process.env.PATH].filter(Boolean).join(delimiter),
    LANG: 'C.UTF-8',
    NO_COLOR: '1',
    NO_UPDATE_NOTIFIER: '1',
    // Port 1 answers nobody: what is not loopback can't be reached. npm and pnpm use this proxy for
    // plain http too, hence the exception.
    HTTPS_PROXY: 'http://127.0.0.1:1',
    https_proxy: 'http://127.0.0.1:1',
    NO_PROXY: '127.0.0.1,localhost',
    no_proxy: '127.0.0.1,localhost',
  }
}

function entryOf(key: string): [string, string][] {
  const value = process.env[key]
  return value === undefined ? [] : [[key, value]]
}

export interface ExecuteOptions {
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  readonly timeoutMs: number
  readonly answers?: Answers
  readonly onOutput?: (text: string) => void
}

/** Runs a program to its end or its deadline; at the deadline its whole process tree is killed. */
export async function execute(
  command: string,
  args: readonly string[],
  options: ExecuteOptions,
): Promise<ClientResult> {
  const startedAt = performance.now()
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: options.env,
    stdio: [options.answers === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    detached: process.platform !== 'win32', // its own group, so that children die with it
    windowsHide: true,
  })
  let output = ''
  const answer = answering(child, options.answers ?? [])
  const take = (text: string): void => {
    output = (output + text).slice(-MAX_OUTPUT_CHARS)
    answer(text)
    options.onOutput?.(text)
  }
  child.stdout?.setEncoding('utf8').on('data', take)
  child.stderr?.setEncoding('utf8').on('data', take)
  const deadline = setTimeout(() => {
    take(`\n(killed: still running after ${options.timeoutMs} ms)\n`)
    killTree(child)
  }, options.timeoutMs)
  try {
    const [exitCode] = (await once(child, 'close')) as [number | null]
    return { exitCode, output, durationMs: performance.now() - startedAt }
  } finally {
    clearTimeout(deadline)
  }
}

/** Told what the program prints, writes each answer when its question is there. */
function answering({ stdin }: ChildProcess, answers: Answers): (printed: string) => void {
  const left = [...answers]
  let unread = ''
  stdin?.on('error', () => undefined) // it may end before it was told all
  return (printed) => {
    unread += printed
    const [question = '', reply = ''] = left[0] ?? []
    if (left.length === 0 || !unread.includes(question)) return
    left.shift()
    unread = ''
    stdin?.write(`${reply}\n`)
    if (left.length === 0) stdin?.end()
  }
}

function killTree(child: ChildProcess): void {
  if (child.pid === undefined) return
  if (process.platform === 'win32') {
    spawn('taskkill', ['/pid', String(child.pid), '/T', '/F'], { stdio: 'ignore' })
    return
  }
  process.kill(-child.pid, 'SIGKILL')
}

export interface Workspace extends AsyncDisposable {
  readonly path: string
  /** A fresh folder inside; the name is only for people. */
  folder(name: string): Promise<string>
}

/** A temporary folder that goes away with its test. */
export async function createWorkspace(): Promise<Workspace> {
  const path = await mkdtemp(join(tmpdir(), 'catalog-test-'))
  return {
    path,
    folder: (name) => mkdtemp(join(path, `${name}-`)),
    [Symbol.asyncDispose]: () =>
      rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }),
  }
}
