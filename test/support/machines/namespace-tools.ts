/**
 * Linux network namespaces, bare: made, used and removed. What stands in them is for namespaces.ts (an office) and internet.ts
 * (machines behind routers) to say. Needs root.
 */
import { execFile, spawn, type ChildProcess, type SpawnOptions } from 'node:child_process'
import { existsSync } from 'node:fs'
import { promisify } from 'node:util'

const execute = promisify(execFile)
const TIMEOUT_MS = 20_000

/** Where programs run. */
export interface Place {
  /** The command that runs another one there. */
  readonly prefix: readonly [string, ...string[]]
  /** Throws with its output unless it exits with 0 within 20 seconds. */
  run(command: string, ...args: string[]): Promise<string>
  spawn(command: string, args: readonly string[], options?: SpawnOptions): ChildProcess
}

export interface Namespaces {
  /** Its full name; its loopback is up. */
  add(name: string): Promise<string>
  /** Links are inside, and go with the last namespace that holds them. */
  remove(): Promise<void>
}

/** Removes what a run that was killed has left, too. */
export async function createNamespaces(): Promise<Namespaces> {
  await removeStale()
  const id = `catalog-${process.pid}-${Math.random().toString(36).slice(2, 6)}`
  const created: string[] = []
  return {
    async add(name) {
      const full = `${id}-${name}`
      await ip('netns', 'add', full)
      created.push(full)
      await ip('-n', full, 'link', 'set', 'lo', 'up')
      return full
    },
    async remove() {
      const removed = created.splice(0).map((each) => ip('netns', 'del', each))
      const failed = (await Promise.allSettled(removed)).find((each) => each.status === 'rejected')
      if (failed !== undefined) throw failed.reason
    },
  }
}

export function within(namespace: string): Place {
  const prefix = [findProgram('ip'), 'netns', 'exec', namespace] as const
  const [program, ...rest] = prefix
  return {
    prefix: [...prefix],
    async run(command, ...args) {
      const options = { timeout: TIMEOUT_MS }
      return (await execute(program, [...rest, command, ...args], options)).stdout
    },
    spawn: (command, args, options = {}) => spawn(program, [...rest, command, ...args], options),
  }
}

async function removeStale(): Promise<void> {
  const { stdout } = await execute(findProgram('ip'), ['netns', 'list'], { timeout: TIMEOUT_MS })
  for (const [name, pid] of stdout.matchAll(/^catalog-(\d+)-\S+/gm)) {
    if (!existsSync(`/proc/${pid}`)) await ip('netns', 'del', name)
  }
}

export async function ip(...args: string[]): Promise<void> {
  await network('ip', ...args)
}

/** @throws an error with what the program has said */
export async function network(program: 'ip' | 'tc', ...args: string[]): Promise<string> {
  try {
    return (await execute(findProgram(program), args, { timeout: TIMEOUT_MS })).stdout
  } catch (error) {
    const words = (error as { stderr?: string }).stderr?.trim() ?? ''
    throw new Error(`${program} ${args.join(' ')}: ${words || String(error)}`, { cause: error })
  }
}

/** Ordinary users have no sbin in their PATH. */
export function findProgram(name: string): string {
  const folders = ['/usr/sbin', '/sbin', '/usr/bin', '/bin']
  return folders.map((each) => `${each}/${name}`).find((each) => existsSync(each)) ?? name
}
