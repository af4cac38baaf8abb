/**
 * Question: what does the gateway cost when it knows no peer? A cold replay through it to a registry on loopback, beside
 * the same replay straight to that registry: the whole lockfile, and its files over 1 MB. Once with the registry as fast as
 * this machine can be (three processes then share its cores), once behind a line as registries are (20 ms, 1 Gbit/s).
 */
import { join } from 'node:path'
import { loadCorpus, makeWarmUp, type CorpusFile } from './lib/corpus.ts'
import { ratios, summarize, toMarkdownTable } from './lib/measure.ts'
import type { ReplayResult } from './lib/replay-child.ts'
import { startReplayClient } from './lib/replay-client.ts'
import { quiesce } from './lib/quiesce.ts'
import { Stage } from './lib/stage.ts'

const LARGE_BYTES = 1_000_000
const LINES = {
  loopback: { delayMs: 0, bytesPerSecond: 0 },
  '20 ms, 1 Gbit/s': { delayMs: 20, bytesPerSecond: 125_000_000 },
} as const

export async function run(options: {
  rounds: number
  mirror: string | undefined
}): Promise<unknown> {
  await using stage = await Stage.open()
  const corpus = await loadCorpus(join(stage.folder, 'corpus'), options.mirror)
  const warmUp = await makeWarmUp(join(stage.folder, 'warm-up'))
  const sets = {
    'whole lockfile': corpus.files,
    'files over 1 MB': corpus.files.filter((file) => file.bytes > LARGE_BYTES),
  }
  const client = startReplayClient(stage)
  const rows: Record<string, string>[] = []
  const results: unknown[] = []
  for (const [lineName, line] of Object.entries(LINES)) {
    const upstream = stage.start('lib/upstream-child.ts')
    const { port } = await upstream.call<{ port: number }>('start', {
      corpora: [corpus, warmUp],
      line,
    })
    for (const [setName, files] of Object.entries(sets)) {
      const pairs: { direct: ReplayResult; through: ReplayResult }[] = []
      for (let round = 0; round < options.rounds; round++) {
        const direct = await client.ask({ port }, files)
        pairs.push({
          direct,
          through: await throughGateway(port, files, `${results.length}-${round}`),
        })
      }
      const seconds = (of: 'direct' | 'through'): number[] => pairs.map((pair) => pair[of].seconds)
      rows.push({
        upstream: lineName,
        files: setName,
        'direct, s': summarize(seconds('direct'), 2),
        'through the gateway, s': summarize(seconds('through'), 2),
        ratio: summarize(ratios(seconds('through'), seconds('direct')), 2),
      })
      results.push({ line, setName, pairs })
    }
    await upstream.close()
  }
  console.log(toMarkdownTable(rows))
  return results

  async function throughGateway(
    upstreamPort: number,
    files: readonly CorpusFile[],
    name: string,
  ): Promise<ReplayResult> {
    const gateway = { port: 0, upstream: `http://127.0.0.1:${upstreamPort}/` }
    const node = await stage.startNode(`node-${name}`, { gateway })
    await client.ask(node, warmUp.files) // a daemon has been running since the morning
    await quiesce()
    const result = await client.ask(node, files)
    await node.child.close()
    return result
  }
}
