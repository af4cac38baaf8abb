/**
 * Question: what does the gateway cost when it knows no peer? A cold replay through it to a registry on loopback, beside
 * the same replay straight to that registry: the whole lockfile, and its files over 1 MB. Once with the registry as fast as
 * this machine can be (three processes then share its cores), once behind a line as registries are (20 ms, 1 Gbit/s).
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startChild, type Child } from './lib/child.ts'
import { loadCorpus, makeWarmUp, type CorpusFile } from './lib/corpus.ts'
import { formatSpread, spreadOf, toMarkdownTable } from './lib/measure.ts'
import { OFFLINE } from './lib/offline.ts'
import { settle } from './lib/settle.ts'
import type { ReplayResult } from './lib/replay-child.ts'

const LARGE_BYTES = 1_000_000
const LINES = {
  loopback: { delayMs: 0, bytesPerSecond: 0 },
  '20 ms, 1 Gbit/s': { delayMs: 20, bytesPerSecond: 125_000_000 },
} as const

export async function run(options: {
  rounds: number
  mirror: string | undefined
}): Promise<unknown> {
  const folder = await mkdtemp(join(tmpdir(), 'catalog-bench-'))
  const children: Child[] = []
  try {
    const corpus = await loadCorpus(join(folder, 'corpus'), options.mirror)
    const warmUp = await makeWarmUp(join(folder, 'warm-up'))
    const sets = {
      'whole lockfile': corpus.files,
      'files over 1 MB': corpus.files.filter((file) => file.bytes > LARGE_BYTES),
    }
    const replay = startChild('lib/replay-child.ts')
    children.push(replay)
    const rows: Record<string, string>[] = []
    const results: unknown[] = []
    for (const [lineName, line] of Object.entries(LINES)) {
      const upstream = startChild('lib/upstream-child.ts')
      children.push(upstream)
      const { port } = await upstream.call<{ port: number }>('start', {
        corpora: [corpus, warmUp],
        line,
      })
      for (const [setName, files] of Object.entries(sets)) {
        const pairs: { direct: ReplayResult; through: ReplayResult }[] = []
        for (let round = 0; round < options.rounds; round++) {
          const direct = await ask(port, files)
          pairs.push({
            direct,
            through: await throughGateway(port, files, `${results.length}-${round}`),
          })
        }
        const seconds = (of: 'direct' | 'through'): string =>
          formatSpread(spreadOf(pairs.map((pair) => pair[of].seconds)), 2)
        rows.push({
          upstream: lineName,
          files: setName,
          'direct, s': seconds('direct'),
          'through the gateway, s': seconds('through'),
          ratio: formatSpread(spreadOf(pairs.map((p) => p.through.seconds / p.direct.seconds)), 2),
        })
        results.push({ line, setName, pairs })
      }
      await upstream.close()
    }
    console.log(toMarkdownTable(rows))
    return results

    async function ask(port: number, files: readonly CorpusFile[]): Promise<ReplayResult> {
      const result = await replay.call<ReplayResult>('replay', { port, files, sendIntegrity: true })
      if (result.bad > 0) throw new Error(`${result.bad} of ${result.files} artifacts were wrong`)
      return result
    }

    async function throughGateway(
      upstreamPort: number,
      files: readonly CorpusFile[],
      name: string,
    ): Promise<ReplayResult> {
      const node = startChild('lib/node-child.ts')
      try {
        const { port } = await node.call<{ port: number }>('start', {
          node: { network: OFFLINE, store: { path: join(folder, `node-${name}`) } },
          gateway: { port: 0, upstream: `http://127.0.0.1:${upstreamPort}/` },
        })
        await ask(port, warmUp.files) // a daemon has been running since the morning
        await settle()
        return await ask(port, files)
      } finally {
        await node.close()
      }
    }
  } finally {
    for (const child of children) await child.close()
    await rm(folder, { recursive: true, force: true })
  }
}
