/**
 * Question: what part of an install of packages of the network are their signatures? 150 packages, all of them published without a
 * registry, from a peer: npm by a lockfile and without one, and the requests alone of an install by a frozen lockfile whose client names
 * no digest, and of a fresh one. Each check is of two signatures, Ed25519 and Falcon-512. Goal: under 2 % of the time of npm's install.
 */
import { generateKey, verifySignature } from '@catalog-p2p/core'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { mustRunClient } from '../test/support/client.ts'
import type { InstallResult } from './lib/install-child.ts'
import { waitForInventories } from './lib/inventories.ts'
import type { PublishedFile } from './lib/network-child.ts'
import { noteGoal } from './lib/measure.ts'
import { startNetworkMachine } from './lib/network-machine.ts'
import {
  COUNTING,
  measureCheck,
  measureWays,
  percentOfTime,
  type SignatureCost,
} from './lib/signature-cost.ts'
import { Stage } from './lib/stage.ts'

const PACKAGES = 150
const CONCURRENCY = 8
const LIST = new URL('./data/web-app.json', import.meta.url)

const OF_NPM = ['npm ci', 'npm install'] as const
const WAYS = [...OF_NPM, 'requests, frozen', 'requests, fresh'] as const
type Way = (typeof WAYS)[number]

export async function run(options: { rounds: number }): Promise<unknown> {
  const measured = await measureWays(options.rounds, WAYS, measure)
  for (const way of OF_NPM) {
    const all = measured.filter((each) => each.way === way)
    const what = `signatures of ${PACKAGES} packages of the network, ${way}: % of its time`
    const limit = 'one check for each package, nearly all of it Falcon-512 in JavaScript'
    noteGoal(what, all.map(percentOfTime), { atMost: 2 }, limit)
  }
  return measured
}

async function measure(way: Way): Promise<SignatureCost<Way>> {
  await using stage = await Stage.open()
  const secret = generateKey().exportSecret()
  const how = { secret, token: 'a-token-for-this-only', replication: 0 }
  const publisher = await startNetworkMachine(stage, 'publisher', how)
  const list = JSON.parse(await readFile(LIST, 'utf8')) as readonly [string, string, number][]
  const sizes = list.slice(0, PACKAGES).map(([, , bytes]) => bytes)
  const files = await publisher.child.call<PublishedFile[]>('publishAll', sizes)
  const reader = await startNetworkMachine(stage, 'reader', { ...how, flags: COUNTING })
  await reader.child.call('connect', publisher.addresses)
  await waitForInventories(reader.child, 1, 2 * files.length)
  // A head and a record of each.
  while (
    (await reader.child.call<{ names: number }[]>('peers')).every(
      ({ names }) => names < 2 * files.length,
    )
  ) {
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  const before = await reader.child.call<number>('checks')
  const cpuBefore = await reader.child.call<number>('cpu')
  const result = await install(stage, way, { port: reader.port, files })
  const cpuMs = (await reader.child.call<number>('cpu')) - cpuBefore
  const checks = (await reader.child.call<number>('checks')) - before
  return { way, ...result, checks, cpuMs, checkMs: measureCheck(checkBoth(), 500) }
}

interface Wanted {
  /** Of the gateway. */
  readonly port: number
  readonly files: readonly PublishedFile[]
}

type Installed = Pick<SignatureCost, 'result' | 'clientCpuMs'>

async function install(stage: Stage, way: Way, { port, files }: Wanted): Promise<Installed> {
  if (way === 'npm ci' || way === 'npm install') return await runNpm(stage, way, { port, files })
  const result = await stage.start('lib/install-child.ts').call<InstallResult>('install', {
    ...{ port, files, concurrency: CONCURRENCY, hinted: [], sendIntegrity: false },
    levels: way === 'requests, fresh' ? [files.map(({ name }) => name)] : [],
  })
  return { result }
}

/** bash prints what its children have taken of the processor: the last line is theirs. */
const TIMED = ['bash', '-c', '"$@"; code=$?; times; exit $code', 'timed']

/** With nothing in npm's cache. */
async function runNpm(stage: Stage, way: string, { port, files }: Wanted): Promise<Installed> {
  const [cwd, home] = [join(stage.folder, 'project'), join(stage.folder, 'home')]
  for (const folder of [cwd, home]) await mkdir(folder)
  const registry = `http://127.0.0.1:${port}`
  const dependencies = Object.fromEntries(files.map(({ name, version }) => [name, version]))
  const root = { name: 'app', version: '1.0.0', dependencies }
  await writeFile(join(cwd, 'package.json'), JSON.stringify(root))
  const packages = files.map(({ name, version, integrity, path }) => {
    return [`node_modules/${name}`, { version, integrity, resolved: `${registry}/${path}` }]
  })
  const lockfile = { ...root, lockfileVersion: 3, requires: true }
  const whole = { ...lockfile, packages: { '': root, ...Object.fromEntries(packages) } }
  if (way === 'npm ci') await writeFile(join(cwd, 'package-lock.json'), JSON.stringify(whole))
  const args = [...way.split(' ').slice(1), '--no-audit', '--no-fund']
  const ran = await mustRunClient('npm-12', args, { cwd, home, registry, prefix: TIMED })
  const times = ran.output.trim().split('\n').at(-1) ?? ''
  const clientCpuMs = [...times.matchAll(/(\d+)m([\d.]+)s/g)].reduce(
    (sum, [, minutes, seconds]) => sum + 60_000 * Number(minutes) + 1_000 * Number(seconds),
    0,
  )
  return { result: { seconds: ran.durationMs / 1_000 }, clientCpuMs }
}

/** Both signatures of one statement. */
function checkBoth(): () => void {
  const { publicKey, sign } = generateKey()
  const message = Buffer.alloc(1_000, 7)
  const signature = sign(message)
  return () => void verifySignature(message, { signature, publicKey })
}
