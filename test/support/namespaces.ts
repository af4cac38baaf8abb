/**
 * Machines on one office network, made of Linux network namespaces: each has its own loopback and one
 * cable to a bridge that lives in a namespace too, so the host's own network is never touched. Needs
 * root; whoever can't have it gets a reason to skip by. Everything goes away with `Lan`.
 */
import { execFile, spawn, type ChildProcess, type SpawnOptions } from 'node:child_process'
import { existsSync } from 'node:fs'
import { promisify } from 'node:util'

export interface Machine {
  readonly name: string
  readonly ipv4: string
  readonly ipv6: string
  /** The command that runs another one on this machine. */
  readonly prefix: readonly [string, ...string[]]
  /** Throws with its output unless it exits with 0 within 20 seconds. */
  run(command: string, ...args: string[]): Promise<string>
  spawn(command: string, args: readonly string[], options?: SpawnOptions): ChildProcess
  /** From now on no UDP packet gets in, as in networks that forbid it. Loopback is not concerned. */
  dropUdp(): Promise<void>
}

export interface Lan extends AsyncDisposable {
  readonly machines: readonly Machine[]
}

const execute = promisify(execFile)
const IPV4_PREFIX = '10.77.7.'
const IPV6_PREFIX = 'fd77:7::'

/** Why namespaces can't be had here, or undefined when they can. */
export async function whyNoNamespaces(): Promise<string | undefined> {
  if (process.platform !== 'linux')
    return `network namespaces are Linux's, this is ${process.platform}`
  try {
    const lan = await createLan(['probe'])
    await lan[Symbol.asyncDispose]()
    return undefined
  } catch (error) {
    return `network namespaces can't be had here: ${error instanceof Error ? error.message : String(error)}`
  }
}

/** One bridge, one machine for each name. */
export async function createLan(names: readonly string[]): Promise<Lan> {
  await removeStale()
  const id = `catalog-${process.pid}-${Math.random().toString(36).slice(2, 6)}`
  const hub = `${id}-hub`
  const created: string[] = []
  const dispose = async (): Promise<void> => {
    // The links are inside, and go with the last namespace that holds them.
    for (const namespace of created.splice(0).reverse()) await ip('netns', 'del', namespace)
  }
  try {
    await addNamespace(hub, created)
    await ip('-n', hub, 'link', 'add', 'bridge0', 'type', 'bridge')
    await ip('-n', hub, 'link', 'set', 'bridge0', 'up')
    const machines: Machine[] = []
    for (const [index, name] of names.entries()) {
      const namespace = `${id}-${name}`
      await addNamespace(namespace, created)
      machines.push(await plugIn({ name, namespace, hub, number: index + 1 }))
    }
    return { machines, [Symbol.asyncDispose]: dispose }
  } catch (error) {
    await dispose()
    throw error
  }
}

/** What a run that was killed has left: namespaces named after a process that is no more. */
async function removeStale(): Promise<void> {
  const { stdout } = await execute(findProgram('ip'), ['netns', 'list'], { timeout: 20_000 })
  for (const [name, pid] of stdout.matchAll(/^catalog-(\d+)-\S+/gm)) {
    if (!existsSync(`/proc/${pid}`)) await ip('netns', 'del', name)
  }
}

async function addNamespace(name: string, created: string[]): Promise<void> {
  await ip('netns', 'add', name)
  created.push(name)
  await ip('-n', name, 'link', 'set', 'lo', 'up')
}

interface Place {
  readonly name: string
  readonly namespace: string
  readonly hub: string
  readonly number: number
}

async function plugIn({ name, namespace, hub, number }: Place): Promise<Machine> {
  const port = `port${number}`
  const ipv4 = `${IPV4_PREFIX}${number}`
  const ipv6 = `${IPV6_PREFIX}${number}`
  await ip(
    ...['-n', hub, 'link', 'add', port, 'type', 'veth'],
    ...['peer', 'name', 'eth0', 'netns', namespace],
  )
  await ip('-n', hub, 'link', 'set', port, 'master', 'bridge0', 'up')
  await ip('-n', namespace, 'addr', 'add', `${ipv4}/24`, 'dev', 'eth0')
  // nodad: the address is ours at once, no second of looking for another owner.
  await ip('-n', namespace, 'addr', 'add', `${ipv6}/64`, 'dev', 'eth0', 'nodad')
  await ip('-n', namespace, 'link', 'set', 'eth0', 'up')
  // Only what a machine with a default route could do anyway: send to groups.
  await ip('-n', namespace, 'route', 'add', '224.0.0.0/4', 'dev', 'eth0')

  const prefix = [findProgram('ip'), 'netns', 'exec', namespace] as const
  const [program, ...rest] = prefix
  const run = async (command: string, ...args: string[]): Promise<string> => {
    const { stdout } = await execute(program, [...rest, command, ...args], { timeout: 20_000 })
    return stdout
  }
  return {
    name,
    ipv4,
    ipv6,
    prefix: [...prefix],
    run,
    spawn: (command, args, options = {}) => spawn(program, [...rest, command, ...args], options),
    dropUdp: () => dropUdp(namespace),
  }
}

/**
 * By policy routing, for both families: needs neither iptables nor a kernel module. The rule for our
 * own addresses stands first by default and would accept everything, so it moves behind.
 */
async function dropUdp(namespace: string): Promise<void> {
  for (const family of ['-4', '-6']) {
    const rule = (...args: string[]): Promise<void> => ip('-n', namespace, family, 'rule', ...args)
    await rule('add', 'pref', '10', 'iif', 'eth0', 'ipproto', 'udp', 'blackhole')
    await rule('add', 'pref', '20', 'lookup', 'local')
    await rule('del', 'pref', '0')
  }
}

async function ip(...args: string[]): Promise<void> {
  try {
    await execute(findProgram('ip'), args, { timeout: 20_000 })
  } catch (error) {
    const words = (error as { stderr?: string }).stderr?.trim() ?? ''
    throw new Error(`ip ${args.join(' ')}: ${words || String(error)}`, { cause: error })
  }
}

/** Ordinary users have no sbin in their PATH. */
function findProgram(name: string): string {
  const folders = ['/usr/sbin', '/sbin', '/usr/bin', '/bin']
  return folders.map((each) => `${each}/${name}`).find((each) => existsSync(each)) ?? name
}
