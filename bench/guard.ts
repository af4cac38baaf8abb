/**
 * Question: what does the guard cost? The metadata and then the tarballs of a web application that are at hand (1,150 packages, 60
 * versions each), through two gateways that differ in nothing else: one with a minimum age, a list of 50,000 malicious packages
 * and a look at lost provenance, one with none of it; in turns, several times each, as one time alone says little. Goal: no difference.
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
/** Of each gateway in a round: with one, two runs of the same thing differed by half. */
const PASSES = 5
const METADATA = { sendIntegrity: false, headers: NPM_METADATA }

interface Cost {
  readonly seconds: number
  readonly cpuMs: number
}

interface Replayed {
  /** Of the client's waiting, and of the gateway's processor time. */
  readonly metadata: Cost
  readonly tarballs: Cost
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
    const passes: Round[] = []
    for (let pass = 0; pass < PASSES; pass += 1) {
      passes.push({
        off: await replay(client, off, corpus),
        on: await replay(client, on, corpus),
      })
    }
    rounds.push({
      off: sum(passes.map((pass) => pass.off)),
      on: sum(passes.map((pass) => pass.on)),
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
  const cost = async (asking: () => Promise<ReplayResult>): Promise<Cost> => {
    const before = await node.child.call<number>('cpu')
    const { seconds } = await asking()
    return { seconds, cpuMs: (await node.child.call<number>('cpu')) - before }
  }
  return {
    metadata: await cost(() => client.ask(node, files.map(metadataOf), METADATA)),
    tarballs: await cost(() => client.ask(node, files)),
  }
}

function sum(all: readonly Replayed[]): Replayed {
  const of = (costs: readonly Cost[]): Cost =>
    costs.reduce((a, b) => ({ seconds: a.seconds + b.seconds, cpuMs: a.cpuMs + b.cpuMs }))
  return {
    metadata: of(all.map(({ metadata }) => metadata)),
    tarballs: of(all.map(({ tarballs }) => tarballs)),
  }
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
    'metadata, CPU of the gateway, s': ({ metadata }: Replayed) => metadata.cpuMs / 1000,
    'tarballs, CPU of the gateway, s': ({ tarballs }: Replayed) => tarballs.cpuMs / 1000,
  }
  const rows = Object.entries(measures).map(([what, of]) => {
    const [off, on] = [rounds.map((round) => of(round.off)), rounds.map((round) => of(round.on))]
    return {
      [`guard, ${PASSES} times each`]: what,
      off: summarize(off, 2),
      on: summarize(on, 2),
      'on, of off': summarize(ratios(on, off), 2),
    }
  })
  console.log(toMarkdownTable(rows))
}
