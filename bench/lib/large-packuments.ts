/** Twenty packuments of 8 MB asked for at once by a client of a fresh gateway, and what tarballs at hand wait beside them. */
import { join } from 'node:path'
import { loadCorpusOf } from './corpus.ts'
import { noteGoal, summarizeBy, toMarkdownTable } from './measure.ts'
import { metadataOf, NPM_METADATA } from './packument-files.ts'
import type { ReplayResult } from './replay-child.ts'
import { startReplayClient } from './replay-client.ts'
import { Stage } from './stage.ts'

const LARGE = 20
/** 8 MB, unpacked. */
const OLD_VERSIONS = 32_000

export interface LargeRound {
  /** Fetched and parsed. */
  readonly first: ReplayResult
  readonly again: ReplayResult
  /** Tarballs from the store, while the large ones were fetched; and before that. */
  readonly beside: ReplayResult
  readonly alone: ReplayResult
}

export async function measureLarge(): Promise<LargeRound> {
  await using stage = await Stage.open()
  const corpus = await loadCorpusOf(stage.folder, LARGE)
  const upstream = await stage.startUpstream([corpus], { oldVersions: OLD_VERSIONS })
  const [client, other] = [startReplayClient(stage), startReplayClient(stage)]
  const cachePath = join(stage.folder, 'node')
  const gateway = { port: 0, upstream: `http://127.0.0.1:${upstream.port}/`, cachePath }
  const node = await stage.startNode('node', { gateway })
  await other.ask(node, corpus.files)
  const tarballs = [...corpus.files, ...corpus.files, ...corpus.files]
  const alone = await other.ask(node, tarballs)
  const how = { sendIntegrity: false, headers: NPM_METADATA }
  const large = corpus.files.map(metadataOf)
  const [first, beside] = await Promise.all([
    client.ask(node, large, how),
    other.ask(node, tarballs),
  ])
  const again = await client.ask(node, large, how)
  return { first, again, beside, alone }
}

export function printLarge(rounds: readonly LargeRound[]): void {
  const ways = {
    'the first time': 'first',
    'from then on': 'again',
    'tarballs at hand, before': 'alone',
    'tarballs at hand, beside the first': 'beside',
  } as const
  const rows = Object.entries(ways).map(([what, way]) => {
    const results = rounds.map((round) => round[way])
    return {
      [`${LARGE} packuments of 8 MB at once`]: what,
      'p50 ms': summarizeBy(results, ({ p50Ms }) => p50Ms, 0),
      'p99 ms': summarizeBy(results, ({ p99Ms }) => p99Ms, 0),
      'all, s': summarizeBy(results, ({ seconds }) => seconds, 2),
    }
  })
  console.log(`\n${toMarkdownTable(rows)}`)
  noteGoal(
    `${LARGE} packuments of 8 MB at once, the first time: p99, ms`,
    rounds.map(({ first }) => first.p99Ms),
    { atMost: 1_000 },
    'each takes some 320 ms of a processor (README: limits that stand)',
  )
}
