/**
 * Question: how many copies does the registry send when 2, 4 and 8 machines start cold and together on one lockfile, and when is
 * the last of them done? 200 packages from a registry 20 ms away behind one uplink of 200 Mbit/s for all of them, asked as npm asks
 * and as the other clients do; beside the same machines each for itself, and one machine alone. Each node is a fresh process; all
 * of them, registry and clients share the cores of this machine. With `--uplink 20mbit` one, four and eight machines, as npm asks,
 * behind an uplink so slow that it and not the cores is the limit.
 */
import { join } from 'node:path'
import type { NodeStats } from '@catalog-p2p/core'
import type { Line } from '../test/support/namespaces.ts'
import { writeKeyring } from '../test/support/signed-swarm.ts'
import { loadCorpusOf, type Corpus } from './lib/corpus.ts'
import { noteGoal, ratios, summarize, toMarkdownTable } from './lib/measure.ts'
import { startReplayClient } from './lib/replay-client.ts'
import { Stage } from './lib/stage.ts'
import type { Sent } from './lib/upstream-child.ts'

/** Fewer, where only copies count: `FLEET_PACKAGES=100`. */
const PACKAGES = Number(process.env.FLEET_PACKAGES ?? 200)
const UPLINK = { delayMs: 20, bytesPerSecond: 25_000_000 }
/** Other numbers of machines: `FLEET_SIZES=4`. */
const SIZES = process.env.FLEET_SIZES?.split(',').map(Number)
const ALL_SIZES = [1, 2, 4, 8, 16]
const SIZES_ON_SLOW_UPLINK = [1, 4, 8]

interface Way {
  readonly machines: number
  readonly fleet: boolean
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
  /** Of processor time: of a machine without its client, and of all that ran. */
  readonly cpuOfMachine: number
  readonly cpuOfAll: number
  /** Why delegates have not given what they were asked for, of all machines. */
  readonly misses: Readonly<Record<string, number>>
}

/** @param options `quick`: nothing beside the fleets; `uplink`: another one */
export async function run(options: {
  rounds: number
  quick: boolean
  uplink?: Line | undefined
}): Promise<unknown> {
  const { uplink } = options
  await using stage = await Stage.open()
  const corpus = await loadCorpusOf(stage.folder, PACKAGES)
  const upstream = await stage.startUpstream([corpus], {
    distance:
      uplink === undefined ? UPLINK : { ...UPLINK, bytesPerSecond: uplink.bitsPerSecond / 8 },
    isSigned: true,
  })
  const isSlow = uplink !== undefined
  const ways = (SIZES ?? (isSlow ? SIZES_ON_SLOW_UPLINK : ALL_SIZES)).flatMap((machines): Way[] =>
    (isSlow ? [true] : [true, false]).flatMap((sendIntegrity) =>
      (machines === 1 ? [false] : options.quick || isSlow ? [true] : [true, false]).map(
        (fleet) => ({
          ...{ machines, fleet, sendIntegrity },
        }),
      ),
    ),
  )
  const all = new Map<Way, Measured[]>(ways.map((way) => [way, []]))
  for (let round = 0; round < options.rounds; round += 1) {
    for (const way of ways) all.get(way)?.push(await measure(stage, { corpus, upstream, way }))
  }
  const rows = ways.map((way) => {
    const measured = all.get(way) ?? []
    return {
      [`${PACKAGES} tarballs, ${Math.round(corpus.bytes / 1e6)} MB`]: nameOf(way),
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
      'CPU of a machine, of all, s': `${summarize(
        measured.map(({ cpuOfMachine }) => cpuOfMachine),
        1,
      )}; ${summarize(
        measured.map(({ cpuOfAll }) => cpuOfAll),
        1,
      )}`,
      'delegates missed': measured.map(({ misses }) => missesText(misses)).join('; '),
    }
  })
  console.log(toMarkdownTable(rows))
  noteGoals(all, isSlow)
  return ways.map((way) => ({ way, measured: all.get(way) }))
}

function noteGoals(all: ReadonlyMap<Way, readonly Measured[]>, isSlow: boolean): void {
  const limit = isSlow ? undefined : 'all machines, registry and clients share the cores of one'
  for (const [way, measured] of all) {
    const { machines, fleet, sendIntegrity } = way
    if (!fleet || machines < (isSlow ? 4 : 8)) continue
    const copies = measured.map((each) => each.copies)
    noteGoal(`${nameOf(way)}: copies`, copies, { atMost: 1.05 }, limit)
    const alone = [...all].find(
      ([other]) => other.machines === 1 && other.sendIntegrity === sendIntegrity,
    )?.[1]
    const last = (list: readonly Measured[] = []): number[] =>
      list.map(({ lastSeconds }) => lastSeconds)
    const ratio = ratios(last(measured), last(alone))
    noteGoal(`${nameOf(way)}: last machine, of one alone`, ratio, { atMost: 1.25 }, limit)
  }
}

function nameOf({ machines, fleet, sendIntegrity }: Way): string {
  const asked = sendIntegrity ? 'as npm asks' : 'no digests'
  if (machines === 1) return `1 machine, ${asked}`
  return `${machines} machines, ${fleet ? 'a fleet' : 'each for itself'}, ${asked}`
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

async function measure(
  stage: Stage,
  {
    corpus,
    upstream,
    way,
  }: { corpus: Corpus; upstream: Awaited<ReturnType<Stage['startUpstream']>>; way: Way },
): Promise<Measured> {
  const origin = `http://127.0.0.1:${upstream.port}/`
  const keyringPath = join(stage.folder, 'keys.json')
  if (upstream.key !== undefined) await writeKeyring(keyringPath, origin, upstream.key)
  const gateway = { port: 0, upstream: origin, keyringPath }
  const nodes = await Promise.all(
    Array.from({ length: way.machines }, (_, index) =>
      stage.startNode(`${nameOf(way)}-${index}-${performance.now()}`, {
        ...{ gateway, fleet: way.fleet },
      }),
    ),
  )
  for (const [index, node] of nodes.entries()) {
    await node.child.call(
      'connect',
      nodes.slice(0, index).map(({ address }) => address),
    )
  }
  const clients = nodes.map(() => startReplayClient(stage))
  await upstream.child.call<Sent>('takeSent')
  const { sendIntegrity } = way
  const cpuSoFar = async (): Promise<number[]> =>
    await Promise.all([upstream, ...nodes].map(({ child }) => child.call<number>('cpu')))
  const before = await cpuSoFar()
  const results = await Promise.all(
    nodes.map(async ({ port }, index) =>
      clients[index]?.ask({ port }, corpus.files, { sendIntegrity }),
    ),
  )
  const spent = (await cpuSoFar()).map((ms, index) => (ms - (before[index] ?? 0)) / 1000)
  const [, ...ofNodes] = spent
  const ofClients = results.map((result) => (result?.cpuMs ?? 0) / 1000)
  const { requests, bytes, kinds } = await upstream.child.call<Sent>('takeSent')
  const stats = await Promise.all(nodes.map(({ child }) => child.call<NodeStats>('stats')))
  await Promise.all(nodes.map(({ child }) => child.close()))
  return {
    cpuOfMachine: sum(ofNodes) / nodes.length,
    cpuOfAll: sum([...spent, ...ofClients]),
    copies: bytes / corpus.bytes,
    sends: kinds.tarball.asked / corpus.files.length,
    kinds,
    requests,
    misses: sumOf(stats.map(({ fleet }) => fleet.misses)),
    lastSeconds: Math.max(...results.map((result) => result?.seconds ?? NaN)),
  }
}
