/**
 * Question: what does the guard cost? The metadata and then the tarballs of a web application that are at hand (1,150 packages, 60
 * versions each), through two gateways that differ in nothing else: one with a minimum age, a list of 50,000 malicious packages
 * and a look at lost provenance, one with none of it. Goal: no difference.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { loadCorpora, type Corpus } from './lib/corpus.ts'
import { ratios, summarize, toMarkdownTable } from './lib/measure.ts'
import { metadataOf, NPM_METADATA } from './lib/packument-files.ts'
import type { ReplayResult } from './lib/replay-child.ts'
import { startReplayClient, type ReplayClient } from './lib/replay-client.ts'
import { Stage, type StartedNode } from './lib/stage.ts'

const OLD_VERSIONS = 60
const LISTED = 50_000
const METADATA = { sendIntegrity: false, headers: NPM_METADATA }

interface Replayed {
  readonly metadata: ReplayResult
  readonly tarballs: ReplayResult
  /** Of the gateway, for both. */
  readonly cpuMs: number
}

type Round = Readonly<Record<'off' | 'on', Replayed>>

export async function run(options: { rounds: number }): Promise<unknown> {
  await using stage = await Stage.open()
  const { corpus } = await loadCorpora(stage.folder, undefined)
  const upstream = await stage.startUpstream([corpus], {
    oldVersions: OLD_VERSIONS,
    hasTimes: true,
  })
  const client = startReplayClient(stage)
  const malwareList = join(stage.folder, 'malware.json')
  await writeFile(malwareList, JSON.stringify(records()))
  const guard = { minReleaseAgeMs: 3 * 86_400_000, trustDowngrade: 'warn', malwareList } as const
  const origin = { port: 0, upstream: `http://127.0.0.1:${upstream.port}/` }
  const rounds: Round[] = []
  for (let round = 0; round < options.rounds; round += 1) {
    const start = (name: 'off' | 'on'): Promise<StartedNode> => {
      const cachePath = join(stage.folder, `${name}-${round}`)
      const rules = name === 'on' ? guard : {}
      return stage.startNode(`${name}-${round}`, { gateway: { ...origin, cachePath, ...rules } })
    }
    const [off, on] = [await start('off'), await start('on')]
    for (const node of [off, on]) await replay(client, node, corpus)
    await stage.quiesce()
    rounds.push({
      off: await replay(client, off, corpus),
      on: await replay(client, on, corpus),
    })
    await Promise.all([off.child.close(), on.child.close()])
  }
  print(rounds)
  return rounds
}

async function replay(
  client: ReplayClient,
  node: StartedNode,
  { files }: Corpus,
): Promise<Replayed> {
  const before = await node.child.call<number>('cpu')
  const metadata = await client.ask(node, files.map(metadataOf), METADATA)
  const tarballs = await client.ask(node, files)
  return { metadata, tarballs, cpuMs: (await node.child.call<number>('cpu')) - before }
}

/** In OSV's form. */
function records(): unknown[] {
  return Array.from({ length: LISTED }, (_, index) => ({
    id: `MAL-2026-${index}`,
    affected: [
      { package: { ecosystem: 'npm', name: `bad-package-${index}` }, versions: ['1.0.0'] },
    ],
  }))
}

function print(rounds: readonly Round[]): void {
  const measures = {
    'metadata, s': ({ metadata }: Replayed) => metadata.seconds,
    'tarballs, s': ({ tarballs }: Replayed) => tarballs.seconds,
    'CPU of the gateway, s': ({ cpuMs }: Replayed) => cpuMs / 1000,
  }
  const rows = Object.entries(measures).map(([what, of]) => {
    const [off, on] = [rounds.map((round) => of(round.off)), rounds.map((round) => of(round.on))]
    return {
      guard: what,
      off: summarize(off, 2),
      on: summarize(on, 2),
      'on, of off': summarize(ratios(on, off), 2),
    }
  })
  console.log(toMarkdownTable(rows))
}
