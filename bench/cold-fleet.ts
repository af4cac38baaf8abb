/**
 * Question: how many copies does the registry send when 2, 4, 8 and 16 machines start cold and together on one lockfile, and when is
 * the last of them done? 200 packages from a registry 20 ms away behind one uplink of 200 Mbit/s for all of them, asked as npm asks
 * and as the other clients do; beside the same machines without a fleet, each alone, and with one Verdaccio on their LAN, as cold as
 * they are. Each node is a fresh process; all of them, registry and clients share the cores of this machine. With `--uplink 20mbit`, as
 * npm asks, behind an uplink so slow that it and not the cores is the limit; there only up to four are measured without a fleet, as
 * each copy takes its time. With `--machines 8,16` these fleets alone, beside one machine; behind `--uplink 2mbit` two cores have time to
 * spare for sixteen machines. With `--packages 100` fewer of them, where only copies count.
 */
import { existsSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import type { NodeStats } from '@catalog-p2p/core'
import type { Line } from '../test/support/machines/namespaces.ts'
import { writeKeyring } from '../test/support/signed-swarm.ts'
import { loadCorpusOf, type Corpus } from './lib/corpus.ts'
import { LOOPBACK } from './lib/machine.ts'
import { noteGoal, ratios, summarize, toMarkdownTable } from './lib/measure.ts'
import { startReplayClient, type ReplayClient, type Target } from './lib/replay-client.ts'
import { startVerdaccio, VERDACCIO } from './lib/rivals.ts'
import { Stage } from './lib/stage.ts'
import { cpuMsOf } from './lib/timed-process.ts'
import type { Sent } from './lib/upstream-child.ts'

const PACKAGES = 200
const UPLINK = { delayMs: 20, bytesPerSecond: 25_000_000 }
/**
 * Behind less than this each tarball must come within the half minute that a delegate is waited for while it fetches, in its share of the
 * line: tarballs of these sizes, and as many at once as npm asks for. There are 100 of them.
 */
const SLOW_BYTES_PER_SECOND = 1_250_000
const MIDDLE_SIZES = [50_000, 300_000] as const
const NPM_SOCKETS = 15
const ALL_SIZES = [1, 2, 4, 8, 16]
const SLOW_SIZE = 4

/** Without a fleet they are connected, and give each other what they have. */
type Through = 'a fleet' | 'no fleet' | 'each alone' | 'one Verdaccio'

interface Way {
  readonly machines: number
  readonly through: Through
  readonly sendIntegrity: boolean
}

interface Measured {
  /** Of all tarballs. */
  readonly copies: number
  /** Of all tarballs, whatever their sizes: one large one decides about the bytes. */
  readonly sends: number
  readonly requests: number
  readonly kinds: Sent['kinds']
  readonly lastSeconds: number
  /** Of processor time: of a machine without its client, or of Verdaccio; and of all that ran. */
  readonly cpuOfServer: number
  readonly cpuOfAll: number
  /** Of all machines together, at their end; 0 where it is not known. */
  readonly residentBytes: number
  /** Why delegates have not given what they were asked for, of all machines. */
  readonly misses: Readonly<Record<string, number>>
}

/** @param options `quick`: nothing beside the fleets; `uplink`: another one */
export async function run(options: {
  rounds: number
  quick: boolean
  uplink?: Line | undefined
  machines?: readonly number[] | undefined
  packages?: number | undefined
}): Promise<unknown> {
  const { uplink, machines: others, packages = PACKAGES } = options
  await using stage = await Stage.open()
  // As a packed daemon has it: sixteen that each read and compile all sources keep two cores busy for half a minute.
  process.env.NODE_COMPILE_CACHE ??= join(stage.folder, 'compiled')
  const distance =
    uplink === undefined ? UPLINK : { ...UPLINK, bytesPerSecond: uplink.bitsPerSecond / 8 }
  const isVerySlow = distance.bytesPerSecond < SLOW_BYTES_PER_SECOND
  const corpus = await loadCorpusOf(stage.folder, packages, isVerySlow ? MIDDLE_SIZES : undefined)
  const concurrency = isVerySlow ? NPM_SOCKETS : undefined
  const upstream = await stage.startUpstream([corpus], { distance, isSigned: true })
  const isSlow = uplink !== undefined
  const quick = options.quick || others !== undefined
  const sizes = others === undefined ? ALL_SIZES : [1, ...others.filter((each) => each > 1)]
  const ways = sizes.flatMap((each) => waysOf(each, { quick, isSlow }))
  const all = new Map<Way, Measured[]>(ways.map((way) => [way, []]))
  for (let round = 0; round < options.rounds; round += 1) {
    for (const way of ways)
      all.get(way)?.push(await measure({ corpus, upstream, way, concurrency }))
  }
  const rows = ways.map((way) => {
    const measured = all.get(way) ?? []
    return {
      [`${corpus.files.length} tarballs, ${Math.round(corpus.bytes / 1e6)} MB`]: nameOf(way),
      'copies from the registry': summarize(
        measured.map(({ copies }) => copies),
        2,
      ),
      'times a tarball was sent': summarize(
        measured.map(({ sends }) => sends),
        2,
      ),
      requests: summarize(
        measured.map(({ requests }) => requests),
        0,
      ),
      'asked for (different ones)': measured.map(({ kinds }) => kindsText(kinds)).join('; '),
      'last machine, seconds': summarize(
        measured.map(({ lastSeconds }) => lastSeconds),
        2,
      ),
      'CPU of a machine (of Verdaccio), of all, s': `${summarize(
        measured.map(({ cpuOfServer }) => cpuOfServer),
        1,
      )}; ${summarize(
        measured.map(({ cpuOfAll }) => cpuOfAll),
        1,
      )}`,
      'all machines, MiB': summarize(
        measured.map(({ residentBytes }) => residentBytes / 2 ** 20),
        0,
      ),
      'delegates missed': measured.map(({ misses }) => missesText(misses)).join('; '),
    }
  })
  console.log(toMarkdownTable(rows))
  noteGoals(all)
  return ways.map((way) => ({ way, measured: all.get(way) }))
}

function waysOf(machines: number, how: { quick: boolean; isSlow: boolean }): Way[] {
  const asking = how.isSlow ? [true] : [true, false]
  return asking.flatMap((sendIntegrity) => {
    const ways: Through[] = machines === 1 ? ['each alone'] : ['a fleet']
    const isCompared = machines > 1 && !how.quick && !(how.isSlow && machines > SLOW_SIZE)
    if (isCompared && !how.isSlow) ways.push('no fleet')
    if (isCompared && sendIntegrity) {
      ways.push('each alone')
      // It asks the registry in the same way, whatever it is asked with.
      if (existsSync(VERDACCIO)) ways.push('one Verdaccio')
    }
    return ways.map((through) => ({ machines, through, sendIntegrity }))
  })
}

function noteGoals(all: ReadonlyMap<Way, readonly Measured[]>): void {
  for (const [way, measured] of all) {
    const { machines, through, sendIntegrity } = way
    if (through !== 'a fleet' || machines < 8) continue
    const copies = measured.map((each) => each.copies)
    const cpu = summarize(
      measured.map((each) => each.cpuOfAll),
      0,
    )
    const limit = `all of them, clients and registry take ${cpu} s of processor time on ${cpus().length} cores`
    noteGoal(`${nameOf(way)}: copies`, copies, { atMost: 1.05 })
    const alone = [...all].find(
      ([other]) => other.machines === 1 && other.sendIntegrity === sendIntegrity,
    )?.[1]
    const last = (list: readonly Measured[] = []): number[] =>
      list.map(({ lastSeconds }) => lastSeconds)
    const ratio = ratios(last(measured), last(alone))
    noteGoal(`${nameOf(way)}: last machine, of one alone`, ratio, { atMost: 1.25 }, limit)
  }
}

function nameOf({ machines, through, sendIntegrity }: Way): string {
  const asked = sendIntegrity ? 'as npm asks' : 'no digests'
  if (machines === 1) return `1 machine, ${asked}`
  return `${machines} machines, ${through}, ${asked}`
}

function kindsText({ tarball, version, packument, other }: Sent['kinds']): string {
  const [tarballs, versions, packuments] = [tarball, version, packument].map(
    ({ asked, different }) => `${asked} (${different})`,
  )
  return `${tarballs} tarballs, ${versions} of versions, ${packuments} packuments, ${other.asked} other`
}

function missesText(misses: Readonly<Record<string, number>>): string {
  const seen = Object.entries(misses).filter(([, count]) => count > 0)
  return seen.map(([why, count]) => `${count} ${why}`).join(', ') || 'none'
}

function sumOf(all: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const sum: Record<string, number> = {}
  for (const [why, count] of all.flatMap((each) => Object.entries(each))) {
    sum[why] = (sum[why] ?? 0) + count
  }
  return sum
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, each) => all + each, 0)
}

interface World {
  readonly corpus: Corpus
  readonly upstream: Awaited<ReturnType<Stage['startUpstream']>>
  readonly way: Way
  /** Of each client; the usual one unless given. */
  readonly concurrency: number | undefined
}

/** What machines ask: their own daemons, or one server for all. */
interface Served {
  readonly targets: readonly Target[]
  /** Milliseconds so far, of each server. */
  cpu(): Promise<number[]>
  resident(): Promise<number[]>
  misses(): Promise<Readonly<Record<string, number>>>
}

async function measure(world: World): Promise<Measured> {
  const { corpus, upstream, way, concurrency } = world
  await using stage = await Stage.open() // nothing of it is left for the next one
  const clients = Array.from({ length: way.machines }, () => startReplayClient(stage))
  const served =
    way.through === 'one Verdaccio'
      ? await serveByVerdaccio(stage, upstream.port, clients)
      : await serveByDaemons(stage, world)
  await upstream.child.call<Sent>('takeSent')
  const cpuSoFar = async (): Promise<number[]> => [
    await upstream.child.call<number>('cpu'),
    ...(await served.cpu()),
  ]
  const before = await cpuSoFar()
  const { sendIntegrity } = way
  const results = await Promise.all(
    served.targets.map(async (target, index) =>
      clients[index]?.ask(target, corpus.files, { sendIntegrity, concurrency }),
    ),
  )
  const spent = (await cpuSoFar()).map((ms, index) => (ms - (before[index] ?? 0)) / 1000)
  const [, ...ofServers] = spent
  const ofClients = results.map((result) => (result?.cpuMs ?? 0) / 1000)
  const { requests, bytes, kinds } = await upstream.child.call<Sent>('takeSent')
  const misses = await served.misses()
  return {
    cpuOfServer: sum(ofServers) / ofServers.length,
    cpuOfAll: sum([...spent, ...ofClients]),
    copies: bytes / corpus.bytes,
    sends: kinds.tarball.asked / corpus.files.length,
    ...{ kinds, requests, misses },
    residentBytes: sum(await served.resident()),
    lastSeconds: Math.max(...results.map((result) => result?.seconds ?? NaN)),
  }
}

async function serveByVerdaccio(
  stage: Stage,
  registryPort: number,
  clients: readonly ReplayClient[],
): Promise<Served> {
  const [client] = clients
  if (client === undefined) throw new Error('there is no client')
  const options = { stage, machine: LOOPBACK, client }
  const target = await startVerdaccio(`http://127.0.0.1:${registryPort}`, options)
  if (target === undefined) throw new Error('there is no Verdaccio')
  return {
    targets: clients.map(() => target),
    cpu: () => Promise.resolve([cpuMsOf(target.pid ?? NaN)]),
    resident: () => Promise.resolve([]),
    misses: () => Promise.resolve({}),
  }
}

async function serveByDaemons(stage: Stage, { upstream, way }: World): Promise<Served> {
  const origin = `http://127.0.0.1:${upstream.port}/`
  const keyringPath = join(stage.folder, 'keys.json')
  if (upstream.key !== undefined) await writeKeyring(keyringPath, origin, upstream.key)
  const gateway = { port: 0, upstream: origin, keyringPath }
  const fleet = way.through === 'a fleet'
  const nodes = await Promise.all(
    Array.from({ length: way.machines }, (_, index) =>
      stage.startNode(`machine-${index}`, { gateway, fleet }),
    ),
  )
  stage.defer(async () => void (await Promise.all(nodes.map(({ child }) => child.close()))))
  for (const [index, node] of way.through === 'each alone' ? [] : nodes.entries()) {
    await node.child.call(
      'connect',
      nodes.slice(0, index).map(({ address }) => address),
    )
  }
  return {
    targets: nodes,
    cpu: () => Promise.all(nodes.map(({ child }) => child.call<number>('cpu'))),
    resident: () => Promise.all(nodes.map(({ child }) => child.call<number>('rss'))),
    async misses() {
      const stats = await Promise.all(nodes.map(({ child }) => child.call<NodeStats>('stats')))
      return sumOf(stats.map(({ fleet: { misses } }) => misses))
    },
  }
}
