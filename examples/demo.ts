/**
 * `npm run demo`: two nodes on this machine, each with its gateway on loopback. A real `npm ci` of the project in demo/ goes through
 * node A, which gets the packages from your registry; then another one, with empty caches, through node B, which has no registry
 * and gets them from A. Exits 0 only if every byte of the second came from A.
 */
import type { NodePeer, NodeStats } from '@catalog-p2p/core'
import { DEFAULT_REGISTRY } from '@catalog-p2p/gateway'
import { fork, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { DemoSettings } from './demo-node.ts'

interface Status {
  readonly port: number
  readonly stats: NodeStats
  readonly peers: readonly NodePeer[]
}

const MEET_DEADLINE_MS = 15_000
const INSTALL_DEADLINE_MS = 300_000
const work = await mkdtemp(join(tmpdir(), 'catalog-demo-'))
const machines: ChildProcess[] = []

try {
  process.exitCode = await demo()
} finally {
  for (const machine of machines) {
    if (machine.exitCode !== null) continue
    machine.disconnect()
    await once(machine, 'exit')
  }
  await rm(work, { recursive: true, force: true })
}

async function demo(): Promise<number> {
  const a = await startMachine({
    storePath: join(work, 'store-a'),
    upstream: undefined,
    bootstrap: [],
  })
  const startedA = await ask(a)
  say(`node A  on http://127.0.0.1:${startedA.port}, upstream: the registry that npm is set to`)
  const first = await install('a', startedA.port)
  if (first.code !== 0) return fail(first.output)
  const afterA = (await ask(a)).stats.served
  say(`        npm ci took ${first.seconds.toFixed(1)} s: ${describe(afterA)}\n`)

  const bootstrap = startedA.stats.addresses.filter((address) => address.includes('/quic-v1'))
  const b = await startMachine({ storePath: join(work, 'store-b'), upstream: null, bootstrap })
  await meet(a, b)
  const { port } = await ask(b)
  say(`node B  on http://127.0.0.1:${port}, no upstream, an empty store, one peer: A`)
  const second = await install('b', port)
  if (second.code !== 0) return fail(second.output)
  const { served } = (await ask(b)).stats
  const mbps = served.peer.bytes / 1e6 / second.seconds
  say(
    `        npm ci took ${second.seconds.toFixed(1)} s: ${describe(served)}, ${mbps.toFixed(1)} MB/s of install`,
  )

  const all = served.peer.artifacts > 0 && served.origin.artifacts === 0
  say(all ? '\nEvery byte came from A.' : '\nNot everything came from A.')
  return all ? 0 : 1
}

async function startMachine(settings: DemoSettings): Promise<ChildProcess> {
  const script = fileURLToPath(new URL('./demo-node.ts', import.meta.url))
  const machine = fork(script, [JSON.stringify(settings)], { serialization: 'advanced' })
  machines.push(machine)
  const ended = once(machine, 'exit').then(() =>
    Promise.reject(new Error('the node did not start')),
  )
  await Promise.race([once(machine, 'message'), ended])
  ended.catch(() => undefined) // from here on it ends when the demo does
  return machine
}

async function ask(machine: ChildProcess): Promise<Status> {
  const answer = once(machine, 'message')
  machine.send('status')
  return ((await answer) as [Status])[0]
}

/** Waits until B knows every artifact that A has stored. */
async function meet(a: ChildProcess, b: ChildProcess): Promise<void> {
  const deadline = performance.now() + MEET_DEADLINE_MS
  while (performance.now() < deadline) {
    const { announced, store } = (await ask(a)).stats
    const { peers } = await ask(b)
    const isKnown = peers.some((peer) => peer.artifacts >= store.artifacts)
    if (isKnown && announced >= store.artifacts) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error('the nodes did not meet')
}

/** A real `npm ci`, with an empty home and cache of its own. */
async function install(
  name: string,
  port: number,
): Promise<{ code: number; seconds: number; output: string }> {
  const folder = join(work, `project-${name}`)
  const source = new URL('./demo/', import.meta.url)
  await cp(fileURLToPath(source), folder, { recursive: true })
  await writeFile(join(folder, 'package-lock.json'), await lockfile(source))
  await writeFile(join(work, `npmrc-${name}`), '')
  const env: NodeJS.ProcessEnv = { PATH: process.env.PATH, SystemRoot: process.env.SystemRoot }
  Object.assign(env, {
    HOME: join(work, `home-${name}`),
    USERPROFILE: join(work, `home-${name}`),
    npm_config_userconfig: join(work, `npmrc-${name}`),
    npm_config_cache: join(work, `cache-${name}`),
    npm_config_registry: `http://127.0.0.1:${port}/`,
  })
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--no-update-notifier']
  const startedMs = performance.now()
  const { command, prefix } = npm()
  const shell = command.endsWith('.cmd')
  const child = spawn(command, [...prefix, ...args], {
    cwd: folder,
    env,
    shell,
    timeout: INSTALL_DEADLINE_MS,
  })
  let output = ''
  child.stdout.on('data', (text: Buffer) => (output += text.toString()))
  child.stderr.on('data', (text: Buffer) => (output += text.toString()))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code: code ?? 1, seconds: (performance.now() - startedMs) / 1000, output }
}

/**
 * The lockfile as npm itself would have written it: the one in the repository names no registry, so the tarballs' URLs are
 * filled in.
 */
async function lockfile(folder: URL): Promise<string> {
  const lock = JSON.parse(await readFile(new URL('package-lock.json', folder), 'utf8')) as {
    packages: Record<string, { version?: string; name?: string; resolved?: string }>
  }
  for (const [path, entry] of Object.entries(lock.packages)) {
    if (path === '' || entry.version === undefined) continue
    const name =
      entry.name ?? path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)
    const file = `${name.split('/').pop() ?? name}-${entry.version}.tgz`
    entry.resolved = new URL(`${name}/-/${file}`, DEFAULT_REGISTRY).href
  }
  return JSON.stringify(lock)
}

function npm(): { command: string; prefix: string[] } {
  const script = process.env.npm_execpath
  if (script?.endsWith('.js')) return { command: process.execPath, prefix: [script] }
  const beside = join(dirname(process.execPath), 'npm')
  return { command: process.platform === 'win32' ? `${beside}.cmd` : 'npm', prefix: [] }
}

function describe(served: NodeStats['served']): string {
  const parts = Object.entries(served).filter(([, { artifacts }]) => artifacts > 0)
  const names: Readonly<Record<string, string>> = {
    peer: 'peers',
    origin: 'the registry',
    store: 'its store',
  }
  return parts
    .map(([source, { artifacts, bytes }]) => {
      return `${artifacts} packages, ${(bytes / 1e6).toFixed(1)} MB from ${names[source] ?? source}`
    })
    .join(', ')
}

function say(text: string): void {
  console.log(text)
}

function fail(output: string): number {
  console.error(output)
  console.error(
    '\nnpm ci failed: see above. Is the registry that npm is configured with reachable?',
  )
  return 1
}
