/**
 * Question: what does the gateway cost when it has no peers? A cold replay through it to a registry, beside the same replay
 * straight to that registry, which speaks TLS: the whole lockfile, and its files over 1 MB. Once with the registry on loopback (three processes
 * then share the cores), once as far away as registries are (20 ms, 1 Gbit/s).
 */
import { loadCorpora, type CorpusFile } from './lib/corpus.ts'
import { noteGoal, ratios, summarize, toMarkdownTable } from './lib/measure.ts'
import type { ReplayResult } from './lib/replay-child.ts'
import { startReplayClient } from './lib/replay-client.ts'
import { certify } from './lib/registry-certificate.ts'
import { Stage } from './lib/stage.ts'

const LARGE_BYTES = 1_000_000
const DISTANCES = {
  loopback: { delayMs: 0, bytesPerSecond: 0 },
  '20 ms, 1 Gbit/s': { delayMs: 20, bytesPerSecond: 125_000_000 },
} as const

export async function run(options: {
  rounds: number
  mirror: string | undefined
}): Promise<unknown> {
  await using stage = await Stage.open()
  const { corpus, warmUp } = await loadCorpora(stage.folder, options.mirror)
  const sets = {
    'whole lockfile': corpus.files,
    'files over 1 MB': corpus.files.filter((file) => file.bytes > LARGE_BYTES),
  }
  const tls = await certify(stage) // before the client, which has to trust it
  const client = startReplayClient(stage)
  const rows: Record<string, string>[] = []
  const results: unknown[] = []
  for (const [distanceName, distance] of Object.entries(DISTANCES)) {
    const upstream = await stage.startUpstream([corpus, warmUp], { distance, tls })
    const { port } = upstream
    for (const [setName, files] of Object.entries(sets)) {
      const pairs: { direct: ReplayResult; through: ReplayResult }[] = []
      for (let round = 0; round < options.rounds; round++) {
        const direct = await client.ask({ port, isTls: true }, files)
        pairs.push({
          direct,
          through: await throughGateway(port, files, `${results.length}-${round}`),
        })
      }
      const seconds = (of: 'direct' | 'through'): number[] => pairs.map((pair) => pair[of].seconds)
      rows.push({
        upstream: distanceName,
        files: setName,
        'direct, s': summarize(seconds('direct'), 2),
        'through the gateway, s': summarize(seconds('through'), 2),
        ratio: summarize(ratios(seconds('through'), seconds('direct')), 2),
      })
      if (distance.delayMs > 0) {
        const bound = setName === 'whole lockfile' ? 1.15 : 1.05
        const ratio = ratios(seconds('through'), seconds('direct'))
        noteGoal(`no peers, registry ${distanceName} away: ${setName}`, ratio, { atMost: bound })
      }
      results.push({ distance, setName, pairs })
    }
    await upstream.child.close()
  }
  console.log(toMarkdownTable(rows))
  return results

  async function throughGateway(
    upstreamPort: number,
    files: readonly CorpusFile[],
    name: string,
  ): Promise<ReplayResult> {
    const gateway = { port: 0, upstream: `https://127.0.0.1:${upstreamPort}/` }
    const node = await stage.startNode(`node-${name}`, { gateway })
    await client.ask(node, warmUp.files) // as a daemon that has been running for hours
    await stage.quiesce()
    const result = await client.ask(node, files)
    await node.child.close()
    return result
  }
}
