/** One process of some program: how long until it serves, and what it takes. Linux's /proc says the latter; NaN elsewhere. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { get, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'

const DEADLINE_MS = 60_000
const POLL_MS = 2
/** Of the kernel's clock that counts processor time. */
const TICK_MS = 10

export interface Started extends AsyncDisposable {
  readonly pid: number
  readonly ms: number
  /** Processor time by then. */
  readonly cpuMs: number
}

export interface Command {
  readonly args: readonly string[]
  readonly env?: NodeJS.ProcessEnv
  readonly cwd?: string
  /** Put in front of it. */
  readonly prefix?: readonly string[]
}

/** Runs it with this Node until `isReady`, which is asked again and again and told what it has printed. */
export async function startTimed(
  command: Command,
  isReady: (said: string) => boolean | Promise<boolean>,
): Promise<Started> {
  const [program = '', ...args] = [...(command.prefix ?? []), process.execPath, ...command.args]
  const { env = process.env, cwd } = command
  const begin = performance.now()
  const child = spawn(program, args, { env, cwd, stdio: ['ignore', 'pipe', 'ignore'] })
  let said = ''
  child.stdout.on('data', (words: Buffer) => (said += words.toString()))
  while (!(await isReady(said))) {
    const isLate = performance.now() - begin > DEADLINE_MS
    if (isLate || child.exitCode !== null) {
      child.kill('SIGKILL')
      throw new Error(`${args.join(' ')}: ${isLate ? 'took too long' : 'ended'}\n${said}`)
    }
    await sleep(POLL_MS)
  }
  const { pid = NaN } = child
  const ms = performance.now() - begin
  return { pid, ms, cpuMs: cpuMsOf(pid), [Symbol.asyncDispose]: () => end(child) }
}

/** From its start to its end, for a command that does something and ends. */
export async function runTimed({ args, env = process.env }: Command): Promise<number> {
  const begin = performance.now()
  const child = spawn(process.execPath, args, { env, stdio: 'ignore' })
  await once(child, 'exit')
  return performance.now() - begin
}

/** Of the answer; undefined: there is none yet. */
export async function ask(url: string): Promise<string | undefined> {
  try {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      get(url, { agent: false }, resolve).once('error', reject)
    })
    const body = await text(response)
    return response.statusCode === 200 ? body : undefined
  } catch {
    return undefined
  }
}

/** @param thread one of its threads alone */
export function cpuMsOf(pid: number, thread?: string): number {
  const task = thread === undefined ? '' : `/task/${thread}`
  const fields = read(`/proc/${pid}${task}/stat`)?.split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS
}

/** Resident. */
export function memoryMibOf(pid: number): number {
  return Number(/^VmRSS:\s*(\d+) kB/m.exec(read(`/proc/${pid}/status`) ?? '')?.[1]) / 1024
}

/** Of the resident, what is this process's alone: the rest are pages of files, its program first, that others may have too. */
export function ownMemoryMibOf(pid: number): number {
  return Number(/^RssAnon:\s*(\d+) kB/m.exec(read(`/proc/${pid}/status`) ?? '')?.[1]) / 1024
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined // not Linux, or it has ended
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  await ended
}
