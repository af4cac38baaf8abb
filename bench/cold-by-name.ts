/**
 * Question: what does a clean install cost when its client names no digest (pnpm, Yarn, Bun, Deno), with a cold gateway and no
 * peers? 200 packages whose packuments have the size of real ones, from a registry 20 ms away with version documents: straight
 * from it, through the gateway as npm asks, and through it without digests. Each gateway is a fresh process.
 */
import { loadCorpusOf } from './lib/corpus.ts'
import { ratios, summarize, toMarkdownTable } from './lib/measure.ts'
import type { ReplayResult } from './lib/replay-child.ts'
import { startReplayClient } from './lib/replay-client.ts'
import { Stage } from './lib/stage.ts'
import type { Sent } from './lib/upstream-child.ts'

const PACKAGES = 200
/** About 1 MB in a packument. */
const OLD_VERSIONS = 4_000
const DISTANCE = { delayMs: 20, bytesPerSecond: 125_000_000 }

const WAYS = {
  'straight from the registry': undefined,
  'gateway, as npm asks': { sendIntegrity: true },
  'gateway, no digests': { sendIntegrity: false },
} as const
type Way = keyof typeof WAYS

interface Measured extends Sent {
  readonly replay: ReplayResult
}

export async function run(options: { rounds: number }): Promise<unknown> {
  await using stage = await Stage.open()
  const corpus = await loadCorpusOf(stage.folder, PACKAGES)
  const placed = { distance: DISTANCE, oldVersions: OLD_VERSIONS }
  const upstream = await stage.startUpstream([corpus], placed)
  const client = startReplayClient(stage)
  await client.ask({ port: upstream.port }, corpus.files) // its code is compiled, its connections are made
  const rounds: Record<Way, Measured>[] = []
  for (let round = 0; round < options.rounds; round += 1) {
    rounds.push({
      'straight from the registry': await measure('straight from the registry', round),
      'gateway, as npm asks': await measure('gateway, as npm asks', round),
      'gateway, no digests': await measure('gateway, no digests', round),
    })
  }
  const seconds = (way: Way): number[] => rounds.map((each) => each[way].replay.seconds)
  const bytes = (way: Way): number[] => rounds.map((each) => each[way].bytes)
  const direct = 'straight from the registry'
  const rows = (Object.keys(WAYS) as Way[]).map((way) => ({
    [`${PACKAGES} tarballs, ${Math.round(corpus.bytes / 1e6)} MB`]: way,
    seconds: summarize(seconds(way), 2),
    'of direct': summarize(ratios(seconds(way), seconds(direct)), 2),
    'upstream bytes, of direct': summarize(ratios(bytes(way), bytes(direct)), 2),
    requests: summarize(
      rounds.map((each) => each[way].requests),
      0,
    ),
  }))
  console.log(toMarkdownTable(rows))
  return rounds

  async function measure(way: Way, round: number): Promise<Measured> {
    const how = WAYS[way]
    if (how === undefined) return await ask(upstream.port, { sendIntegrity: false })
    const gateway = { port: 0, upstream: `http://127.0.0.1:${upstream.port}/` }
    const node = await stage.startNode(`${Object.keys(WAYS).indexOf(way)}-${round}`, { gateway })
    const result = await ask(node.port, how)
    await node.child.close()
    return result
  }

  async function ask(port: number, how: { sendIntegrity: boolean }): Promise<Measured> {
    await upstream.child.call<Sent>('takeSent')
    const replay = await client.ask({ port }, corpus.files, how)
    const sent = await upstream.child.call<Sent>('takeSent')
    return { replay, ...sent }
  }
}
