/**
 * Question: how much faster is one artifact of 100 MB from four providers whose lines carry 50 Mbit/s each than from one of them,
 * hashed, verified and stored? Getter and providers are machines of their own. Beside aria2, which takes as many parts from as
 * many HTTP servers on the same lines. Goal: 3.5 times one provider.
 */
import { spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execute, isolatedEnvironment } from '../test/support/client.ts'
import { whyNoNamespaces } from '../test/support/machines/namespaces.ts'
import type { Child } from './lib/child.ts'
import { fill } from './lib/fill.ts'
import { waitForInventories } from './lib/inventories.ts'
import { LOOPBACK, type BenchMachine } from './lib/machine.ts'
import { MB, noteGoal, ratios, summarize, summarizeBy, toMarkdownTable } from './lib/measure.ts'
import { Stage, type StartedNode } from './lib/stage.ts'

const LAN = { bitsPerSecond: 1_000_000_000 }
const CAPPED = { bitsPerSecond: 50_000_000 }
const NAMES = ['provider-0', 'provider-1', 'provider-2', 'provider-3'] as const
const FILE_PORT = 4892
const WARM_UP_SEED = 1_000_000
const ARIA_TIMEOUT_MS = 120_000

type Way = 'one provider' | 'four providers' | 'aria2, one server' | 'aria2, four servers'

interface Got {
  readonly bytes: number
  readonly ms: number
  readonly cpuMs: number
}

interface Measured extends Got {
  readonly way: Way
}

export async function run(options: { rounds: number; quick: boolean }): Promise<unknown> {
  const reason = await whyNoNamespaces(CAPPED)
  if (reason !== undefined) {
    console.log(`left out: ${reason}`)
    return { reason }
  }
  const bytes = (options.quick ? 10 : 100) * MB
  await using stage = await Stage.open()
  const capped = Object.fromEntries(NAMES.map((name) => [name, CAPPED]))
  const [desk = LOOPBACK, ...places] = await stage.machines(['getter', ...NAMES], LAN, capped)
  const providers: StartedNode[] = []
  for (const [index, name] of NAMES.entries()) {
    providers.push(await stage.startNode(name, { machine: places[index] ?? LOOPBACK }))
  }
  const warmUp = await fill(providers, WARM_UP_SEED, 2 * MB)
  const getter = async (name: string, count: number): Promise<Child> => {
    const { child } = await stage.startNode(name, { machine: desk })
    const addresses = providers.slice(0, count).map(({ address }) => address)
    await child.call('connect', addresses)
    await waitForInventories(child, count, 1)
    await child.call<Got>('get', warmUp)
    return child
  }
  const [one, four] = [await getter('one', 1), await getter('four', NAMES.length)]
  const aria = await startFiles(stage, { desk, places, bytes })

  const measured: Measured[] = []
  for (let round = 0; round < options.rounds; round += 1) {
    const digest = await fill(providers, round, bytes)
    await stage.quiesce()
    const take = async (way: Way, get: () => Promise<Got>): Promise<void> => {
      const got = await get()
      measured.push({ way, ...got })
      console.log(`${way}: ${(got.ms / 1000).toFixed(1)} s`)
    }
    await take('one provider', () => one.call<Got>('get', digest))
    await take('four providers', () => four.call<Got>('get', digest))
    if (aria === undefined) continue
    await take('aria2, one server', () => aria(1))
    await take('aria2, four servers', () => aria(NAMES.length))
  }
  print(measured)
  return { bytes, measured }
}

/** A server of the same file on each provider's machine; the result downloads and checks it. */
async function startFiles(
  stage: Stage,
  { desk, places, bytes }: { desk: BenchMachine; places: readonly BenchMachine[]; bytes: number },
): Promise<((servers: number) => Promise<Got>) | undefined> {
  if (spawnSync('aria2c', ['--version']).error !== undefined) {
    console.log('aria2: left out, not installed on this machine')
    return undefined
  }
  const [folder, target] = [join(stage.folder, 'files'), join(stage.folder, 'aria2')]
  await mkdir(folder)
  const data = randomBytes(bytes)
  await writeFile(join(folder, 'file'), data)
  for (const place of places) {
    const child = stage.start('lib/file-child.ts', place)
    await child.call('start', { folder, port: FILE_PORT })
  }
  const checksum = `--checksum=sha-256=${createHash('sha256').update(data).digest('hex')}`
  return async (servers) => {
    await rm(target, { recursive: true, force: true })
    await mkdir(target)
    const urls = places.slice(0, servers).map(({ ipv4 }) => `http://${ipv4}:${FILE_PORT}/file`)
    const [program = '', ...args] = [
      ...[...desk.prefix, 'aria2c', '--quiet', '--no-conf', '--file-allocation=none', checksum],
      ...[`--split=${servers}`, '--max-connection-per-server=1', '--min-split-size=1M'],
      ...['--dir', target, '--out', 'file', ...urls],
    ]
    const env = isolatedEnvironment(target)
    const run = { cwd: target, env: { PATH: env.PATH ?? '' }, timeoutMs: ARIA_TIMEOUT_MS }
    const { exitCode, output, durationMs } = await execute(program, args, run)
    if (exitCode !== 0) throw new Error(`aria2 ended with ${exitCode}: ${output}`)
    return { bytes, ms: durationMs, cpuMs: NaN }
  }
}

function print(measured: readonly Measured[]): void {
  const of = (way: Way): Measured[] => measured.filter((each) => each.way === way)
  const rates = (list: readonly Measured[]): number[] =>
    list.map(({ bytes, ms }) => bytes / MB / (ms / 1000))
  const rows = [...new Set(measured.map(({ way }) => way))].map((way) => {
    const one = way.startsWith('aria2') ? of('aria2, one server') : of('one provider')
    return {
      'lines of 50 Mbit/s': way,
      'MB/s': summarize(rates(of(way)), 1),
      'times one': summarize(ratios(rates(of(way)), rates(one)), 2),
      "getter's CPU, s": way.startsWith('aria2')
        ? ''
        : summarizeBy(of(way), ({ cpuMs }) => cpuMs / 1000, 2),
    }
  })
  console.log(toMarkdownTable(rows))
  const times = ratios(rates(of('four providers')), rates(of('one provider')))
  noteGoal('four providers of 50 Mbit/s, times one', times, { atLeast: 3.5 })
}
