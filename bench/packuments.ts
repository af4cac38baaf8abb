/**
 * Question: how fast does the gateway give out the metadata of a web application (1,150 packages, some 60 versions each) that it
 * has at hand, beside nginx serving the same packed bytes as files? Goal: at most 1.5 times. And how long do 20 packuments of 8 MB
 * take that are asked for at once: the first time, when they are fetched and parsed, with the longest wait of tarballs
 * beside them, and from then on? Goal: 99 % of them within 1 s.
 */
import { join } from 'node:path'
import { loadCorpora, type CorpusFile } from './lib/corpus.ts'
import { LOOPBACK } from './lib/machine.ts'
import { noteGoal, ratios, summarize, summarizeBy, toMarkdownTable } from './lib/measure.ts'
import { fetchPackuments, NPM_METADATA, plainPaths } from './lib/packument-files.ts'
import type { ReplayResult } from './lib/replay-child.ts'
import { startReplayClient, type ReplayClient, type Target } from './lib/replay-client.ts'
import { startNginx } from './lib/rivals.ts'
import { Stage } from './lib/stage.ts'
import { measureLarge, printLarge, type LargeRound } from './lib/large-packuments.ts'

const OLD_VERSIONS = 60
const HOW = { sendIntegrity: false, headers: NPM_METADATA }

interface Round {
  readonly nginx: ReplayResult | undefined
  readonly gateway: ReplayResult
}

export async function run(options: { rounds: number }): Promise<unknown> {
  const rounds = await replay(options)
  const large: LargeRound[] = []
  for (let round = 0; round < options.rounds; round += 1) large.push(await measureLarge())
  printLarge(large)
  return { rounds, large }
}

async function replay(options: { rounds: number }): Promise<Round[]> {
  await using stage = await Stage.open()
  const { corpus } = await loadCorpora(stage.folder, undefined)
  const small = corpus.files.map((file) => ({
    ...file,
    dependencies: { 'some-package': '^1.2.3' },
  }))
  const listed = { ...corpus, files: small }
  const upstream = await stage.startUpstream([listed], { oldVersions: OLD_VERSIONS })
  const client = startReplayClient(stage)
  const root = join(stage.folder, 'packed')
  const rounds: Round[] = []
  let nginx: Target | undefined
  for (let round = 0; round < options.rounds; round += 1) {
    const cachePath = join(stage.folder, `node-${round}`)
    const gateway = { port: 0, upstream: `http://127.0.0.1:${upstream.port}/`, cachePath }
    const node = await stage.startNode(`node-${round}`, { gateway })
    const names = [...new Set(corpus.files.map(({ name }) => name))]
    const files = await fetchPackuments(node.port, names, root)
    nginx ??= await startNginx(root, { stage, machine: LOOPBACK, client })
    await stage.quiesce()
    await client.ask(node, files, HOW)
    rounds.push({
      nginx: nginx && (await throughNginx(client, nginx, files)),
      gateway: await client.ask(node, files, HOW),
    })
    await node.child.close()
  }
  print(rounds)
  return rounds
}

async function throughNginx(
  client: ReplayClient,
  nginx: Target,
  files: readonly CorpusFile[],
): Promise<ReplayResult> {
  return await client.ask(nginx, plainPaths(files), HOW)
}

function print(rounds: readonly Round[]): void {
  const base = rounds.map(({ nginx }) => nginx?.seconds ?? NaN)
  const rows = (['nginx', 'gateway'] as const).flatMap((way) => {
    const results = rounds.flatMap((round) => round[way] ?? [])
    const [first] = results
    if (first === undefined) return []
    const seconds = results.map((result) => result.seconds)
    return {
      [`${first.files} packuments, ${(first.bytes / 1e6).toFixed(1)} MB packed`]: way,
      seconds: summarize(seconds, 2),
      'of nginx': summarize(ratios(seconds, base), 2),
      'p99 ms': summarizeBy(results, ({ p99Ms }) => p99Ms, 1),
    }
  })
  console.log(toMarkdownTable(rows))
  const mine = rounds.map(({ gateway }) => gateway.seconds)
  noteGoal('packuments at hand: time, of nginx', ratios(mine, base), { atMost: 1.5 })
}
