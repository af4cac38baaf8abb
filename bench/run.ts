/**
 * `npm run bench` runs every benchmark, `npm run bench -- large-artifact --rounds 5` one of them. A benchmark that makes sense
 * between machines runs twice: on loopback, and over a line. Results go to bench/results as JSON with machine, versions, commit and
 * how it was run; `npm run bench -- results` makes RESULTS.md of the newest of each. See bench/README.md.
 */
import { execFileSync } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { arch, cpus, platform, totalmem } from 'node:os'
import { parseArgs } from 'node:util'
import { whyNoNamespaces, type Line } from '../test/support/machines/namespaces.ts'
import { fixedWorkMs } from './lib/fixed-work.ts'
import { parseLine } from './lib/machine.ts'
import { takeNoted } from './lib/measure.ts'
import { writeResults } from './lib/results.ts'

const DEFAULT_LINE = '1gbit'
const DEFAULT_MEGABYTES = 200

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '3' },
    megabytes: { type: 'string', default: String(DEFAULT_MEGABYTES) },
    mirror: { type: 'string' },
    line: { type: 'string' },
    uplink: { type: 'string' },
    machines: { type: 'string' },
    packages: { type: 'string' },
    fresh: { type: 'boolean', default: false },
    full: { type: 'boolean', default: false },
    idle: { type: 'string' },
    quick: { type: 'boolean', default: false },
  },
})
const { mirror, fresh, full, idle, quick } = values
const rounds = Number(values.rounds)
const megabytes = Number(values.megabytes)
for (const [flag, value] of Object.entries({ rounds, megabytes })) {
  if (!Number.isInteger(value) || value < 1) refuse(`--${flag} is a whole number, 1 at least`)
}

/** What changes what is measured. */
type Flag = 'megabytes' | 'mirror' | 'fresh' | 'full' | 'idle' | 'uplink' | 'machines' | 'packages'

interface Benchmark {
  /** On loopback without a line. */
  run(line?: Line): Promise<unknown>
  readonly hasLine?: boolean
  /** Those that it minds. */
  readonly flags?: readonly Flag[]
  /** It minds `--rounds`; true by default. */
  readonly hasRounds?: boolean
}

const benchmarks: Readonly<Record<string, Benchmark>> = {
  'large-artifact': {
    run: async (line) =>
      await (await import('./large-artifact.ts')).run({ rounds, megabytes, line }),
    hasLine: true,
    flags: ['megabytes'],
  },
  carriers: {
    run: async (line) => await (await import('./carriers.ts')).run({ rounds, megabytes, line }),
    hasLine: true,
    flags: ['megabytes'],
  },
  'bytes-path': {
    run: async () => await (await import('./bytes-path.ts')).run({ rounds }),
  },
  replay: {
    run: async (line) => await (await import('./replay.ts')).run({ rounds, mirror, fresh, line }),
    hasLine: true,
    flags: ['mirror', 'fresh'],
  },
  'receiver-cores': {
    run: async () => await (await import('./receiver-cores.ts')).run({ rounds, quick }),
  },
  'real-installs': {
    run: async () => await (await import('./real-installs.ts')).run({ rounds, full, quick }),
    flags: ['full'],
  },
  'gateway-load': {
    run: async () => await (await import('./gateway-load.ts')).run({ rounds, quick }),
  },
  'capped-providers': {
    run: async () => await (await import('./capped-providers.ts')).run({ rounds, quick }),
  },
  defaults: {
    run: async () => await (await import('./defaults.ts')).run({ rounds, quick }),
  },
  'silent-peer': {
    run: async () => await (await import('./silent-peer.ts')).run({ rounds }),
  },
  'hostile-peers': {
    run: async () => await (await import('./hostile-peers.ts')).run({ rounds }),
  },
  'hostile-swarm': {
    run: async () => await (await import('./hostile-swarm.ts')).run({ rounds }),
  },
  'prefetch-hints': {
    run: async () => await (await import('./prefetch-hints.ts')).run({ rounds, mirror }),
    flags: ['mirror'],
  },
  'cold-by-name': {
    run: async () => await (await import('./cold-by-name.ts')).run({ rounds, mirror }),
    flags: ['mirror'],
  },
  'name-lookup': {
    run: async () => await (await import('./name-lookup.ts')).run({ rounds }),
  },
  'inventory-memory': {
    run: async () => await (await import('./inventory-memory.ts')).run({ rounds }),
  },
  packuments: {
    run: async () => await (await import('./packuments.ts')).run({ rounds }),
  },
  guard: {
    run: async () => await (await import('./guard.ts')).run({ rounds }),
  },
  'signature-checks': {
    run: async () => await (await import('./signature-checks.ts')).run({ rounds }),
  },
  'fleet-simulation': {
    run: async () => await (await import('./fleet-simulation.ts')).run({ rounds, machines }),
    flags: ['machines'],
  },
  'failing-delegate': {
    run: async () => await (await import('./failing-delegate.ts')).run({ rounds }),
  },
  'cold-fleet': {
    run: async () =>
      await (await import('./cold-fleet.ts')).run({ rounds, quick, uplink, machines, packages }),
    flags: ['uplink', 'machines', 'packages'],
  },
  publishing: {
    run: async () => await (await import('./publishing.ts')).run({ rounds }),
  },
  'build-results': {
    run: async () => await (await import('./build-results.ts')).run({ rounds, quick }),
  },
  'network-signatures': {
    run: async () => await (await import('./network-signatures.ts')).run({ rounds }),
  },
  discovery: {
    run: async () => await (await import('./discovery.ts')).run(),
    hasRounds: false,
  },
  replication: {
    run: async () => await (await import('./replication.ts')).run(),
    hasRounds: false,
  },
  start: {
    run: async () => await (await import('./start.ts')).run({ rounds, idle, full, quick }),
    flags: ['idle', 'full'],
  },
  'no-peers': {
    run: async () => await (await import('./no-peers.ts')).run({ rounds, mirror }),
    flags: ['mirror'],
  },
}

const uplink = values.uplink === undefined ? undefined : parseLine(values.uplink)
if (values.uplink !== undefined && uplink === undefined) {
  refuse(`--uplink is a rate like 20mbit, 1mbit at least; not ${values.uplink}`)
}
const machines = values.machines?.split(',').map(Number)
if (machines?.some((each) => !Number.isInteger(each) || each < 1) === true) {
  refuse(`--machines is a list like 8,16; not ${values.machines}`)
}
const packages = values.packages === undefined ? undefined : Number(values.packages)
if (packages !== undefined && !(Number.isInteger(packages) && packages >= 1)) {
  refuse(`--packages is a whole number, 1 at least; not ${values.packages}`)
}
const rate = values.line ?? DEFAULT_LINE
const line = rate === 'none' ? undefined : parseLine(rate)
if (rate !== 'none' && line === undefined) {
  refuse(`--line is a rate like 100mbit or 1gbit, 1mbit at least, or none; not ${rate}`)
}
/** With --line loopback is left out. */
const isLineGiven = values.line !== undefined && line !== undefined

if (positionals[0] === 'results') {
  await writeResults(new URL('./', import.meta.url))
  process.exit(0)
}
for (const [name, benchmark] of choose()) {
  if (!isLineGiven) await runOne(name, benchmark)
  if (line === undefined || benchmark.hasLine !== true) continue
  const reason = await whyNoNamespaces(line)
  if (reason === undefined) await runOne(`${name}-line-${rate}`, benchmark, line)
  else console.log(`\n${name}, over a line of ${rate}: left out, ${reason}`)
}

function choose(): [string, Benchmark][] {
  const names = Object.entries(benchmarks)
    .filter(([, { hasLine }]) => !isLineGiven || hasLine === true)
    .map(([name]) => name)
  return (positionals.length > 0 ? positionals : names).map((name) => {
    const benchmark = benchmarks[name]
    if (benchmark !== undefined && names.includes(name)) return [name, benchmark]
    const kind = isLineGiven ? 'benchmark over a line' : 'benchmark'
    return refuse(`no ${kind} named ${name}; there are: ${names.join(', ')}`)
  })
}

function refuse(message: string): never {
  console.error(message)
  process.exit(2)
}

async function runOne(name: string, benchmark: Benchmark, over?: Line): Promise<void> {
  const flags = flagsOf(benchmark)
  const heading = [name, ...flags.map((flag) => `--${flag}`)].join(' ')
  console.log(`\n## ${heading}\n`)
  const workMs = fixedWorkMs()
  const result = await benchmark.run(over)
  const { tables, goals } = takeNoted()
  if (quick) return // whether it runs is all that it shows
  const folder = new URL('./results/', import.meta.url)
  await mkdir(folder, { recursive: true })
  const day = new Date().toISOString().slice(0, 10)
  const run = {
    ...environment(),
    fixedWorkMs: workMs,
    name: heading,
    ...(benchmark.hasRounds !== false && { rounds }),
    tables,
    goals,
    result,
  }
  const file = [day, name, ...flags].join('-').replaceAll(' ', '-')
  await writeFile(new URL(`${file}.json`, folder), `${JSON.stringify(run, undefined, 2)}\n`)
}

/** As they were given, without the folder of a mirror, which is of this machine. */
function flagsOf({ flags = [] }: Benchmark): string[] {
  return flags.flatMap((flag) => {
    if (flag === 'megabytes') return megabytes === DEFAULT_MEGABYTES ? [] : `${flag} ${megabytes}`
    if (flag === 'idle') return idle === undefined ? [] : `${flag} ${idle}`
    if (flag === 'uplink') return uplink === undefined ? [] : `${flag} ${values.uplink}`
    if (flag === 'packages') return packages === undefined ? [] : `${flag} ${packages}`
    if (flag === 'machines') return machines === undefined ? [] : `${flag} ${values.machines}`
    return { mirror: mirror !== undefined, fresh, full }[flag] ? flag : []
  })
}

function environment(): Record<string, unknown> {
  let commit = 'unknown'
  try {
    commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim()
  } catch {
    // not a git checkout
  }
  const [cpu] = cpus()
  return {
    date: new Date().toISOString(),
    commit,
    node: process.version,
    platform: `${platform()} ${arch()}`,
    cpu: `${cpus().length} x ${cpu?.model ?? 'unknown'}`,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
  }
}
