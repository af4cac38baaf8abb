/**
 * Question: what does a clean install cost with a cold gateway and no peers, as npm asks and where the client names no digest (pnpm,
 * Yarn, Bun, Deno)? The lockfile of a web application, from a registry 20 ms away with version documents: straight from it, through
 * the gateway, and through the least that a cache can be (bare-proxy-child.ts), which is the ceiling. Warm processes with empty stores,
 * and the gateway also as a fresh process, whose code is not compiled yet.
 */
import { join } from 'node:path'
import { loadCorpora } from './lib/corpus.ts'
import type { Child } from './lib/child.ts'
import { ratios, summarize, toMarkdownTable } from './lib/measure.ts'
import type { ReplayResult } from './lib/replay-child.ts'
import { startReplayClient } from './lib/replay-client.ts'
import { Stage } from './lib/stage.ts'
import type { Sent } from './lib/upstream-child.ts'

/** About 100 KB in a packument. */
const OLD_VERSIONS = 400
const DISTANCE = { delayMs: 20, bytesPerSecond: 125_000_000 }

const DIRECT = 'straight from the registry'
const WAYS = {
  [DIRECT]: { by: undefined, sendIntegrity: false, isWarm: true },
  'bare proxy, as npm asks': { by: 'proxy', sendIntegrity: true, isWarm: true },
  'gateway, as npm asks': { by: 'gateway', sendIntegrity: true, isWarm: true },
  'bare proxy, no digests': { by: 'proxy', sendIntegrity: false, isWarm: true },
  'gateway, no digests': { by: 'gateway', sendIntegrity: false, isWarm: true },
  'fresh gateway, as npm asks': { by: 'gateway', sendIntegrity: true, isWarm: false },
  'fresh gateway, no digests': { by: 'gateway', sendIntegrity: false, isWarm: false },
} as const
type Way = keyof typeof WAYS
const NAMES = Object.keys(WAYS) as Way[]

interface Measured extends Sent {
  readonly replay: ReplayResult
  /** Of what stands between, all threads; 0 for nothing. */
  readonly cpuMs: number
  /** Of the client and the registry. */
  readonly endsCpuMs: number
}

export async function run(options: {
  rounds: number
  mirror: string | undefined
}): Promise<unknown> {
  await using stage = await Stage.open()
  const { corpus, warmUp } = await loadCorpora(stage.folder, options.mirror)
  const placed = { distance: DISTANCE, oldVersions: OLD_VERSIONS }
  const upstream = await stage.startUpstream([corpus, warmUp], placed)
  const client = startReplayClient(stage)
  await client.ask({ port: upstream.port }, corpus.files) // its code is compiled, its connections are made
  const rounds: Record<Way, Measured>[] = []
  for (let round = 0; round < options.rounds; round += 1) {
    const measured: Partial<Record<Way, Measured>> = {}
    for (const way of NAMES) measured[way] = await measure(way, round)
    rounds.push(measured as Record<Way, Measured>)
  }
  const title = `${corpus.files.length} tarballs, ${Math.round(corpus.bytes / 1e6)} MB`
  console.log(toMarkdownTable(rowsOf(rounds, title)))
  return rounds

  async function measure(way: Way, round: number): Promise<Measured> {
    const { by, sendIntegrity, isWarm } = WAYS[way]
    if (by === undefined) {
      await stage.quiesce()
      return { ...(await ask(upstream.port, sendIntegrity)), cpuMs: 0 }
    }
    const { child, port } = await startBetween(by, `${NAMES.indexOf(way)}-${round}`)
    if (isWarm) await client.ask({ port }, warmUp.files, { sendIntegrity })
    await stage.quiesce()
    const before = await child.call<number>('cpu')
    const result = await ask(port, sendIntegrity)
    const cpuMs = (await child.call<number>('cpu')) - before
    await child.close()
    return { ...result, cpuMs }
  }

  async function startBetween(
    by: 'proxy' | 'gateway',
    name: string,
  ): Promise<{ child: Child; port: number }> {
    if (by === 'gateway') {
      const gateway = { port: 0, upstream: `http://127.0.0.1:${upstream.port}/` }
      return await stage.startNode(name, { gateway })
    }
    const child = stage.start('lib/bare-proxy-child.ts')
    const about = {
      upstream: `http://127.0.0.1:${upstream.port}`,
      folder: join(stage.folder, name),
    }
    return { child, port: await child.call<number>('start', about) }
  }

  async function ask(port: number, sendIntegrity: boolean): Promise<Omit<Measured, 'cpuMs'>> {
    await upstream.child.call<Sent>('takeSent')
    const before = await upstream.child.call<number>('cpu')
    const replay = await client.ask({ port }, corpus.files, { sendIntegrity })
    const endsCpuMs = replay.cpuMs + (await upstream.child.call<number>('cpu')) - before
    const sent = await upstream.child.call<Sent>('takeSent')
    return { replay, endsCpuMs, ...sent }
  }
}

function rowsOf(rounds: readonly Record<Way, Measured>[], title: string): Record<string, string>[] {
  const of = (way: Way, value: (measured: Measured) => number): number[] =>
    rounds.map((each) => value(each[way]))
  const seconds = ({ replay }: Measured): number => replay.seconds
  return NAMES.map((way) => ({
    [title]: way,
    seconds: summarize(of(way, seconds), 2),
    'of direct': summarize(ratios(of(way, seconds), of(DIRECT, seconds)), 2),
    'its CPU, s': summarize(
      of(way, ({ cpuMs }) => cpuMs / 1000),
      2,
    ),
    'CPU of client and registry, s': summarize(
      of(way, ({ endsCpuMs }) => endsCpuMs / 1000),
      2,
    ),
    'upstream bytes, of direct': summarize(
      ratios(
        of(way, ({ bytes }) => bytes),
        of(DIRECT, ({ bytes }) => bytes),
      ),
      2,
    ),
    requests: summarize(
      of(way, ({ requests }) => requests),
      0,
    ),
  }))
}
