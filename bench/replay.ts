/**
 * Question: how fast do the tarballs of a clean install come through gateway B from peer A, over QUIC and over a carrier, beside Verdaccio with a warm
 * cache and nginx serving the files? B has no upstream and starts each round with an empty store. With a line, client and B are on
 * one machine, and A, Verdaccio and nginx on another. With `--fresh` A and B are processes that have done nothing yet, as in CI.
 */
import { cpus } from 'node:os'
import { join } from 'node:path'
import type { Line } from '../test/support/machines/namespaces.ts'
import { loadCorpora, putAll, type Corpus } from './lib/corpus.ts'
import { waitForInventories } from './lib/inventories.ts'
import { withLoad, type Load } from './lib/load.ts'
import { LOOPBACK, lineShare, type BenchMachine } from './lib/machine.ts'
import { noteGoal, medianBy, ratios, summarize, toMarkdownTable } from './lib/measure.ts'
import type { ReplayResult } from './lib/replay-child.ts'
import { startReplayClient, type ReplayClient, type Target } from './lib/replay-client.ts'
import { startNginx, startVerdaccio } from './lib/rivals.ts'
import { Stage, type StartedNode } from './lib/stage.ts'

const VERDACCIO = 'Verdaccio 6, warm'

interface Served {
  readonly served: { readonly peer: { readonly artifacts: number } }
}

interface Round extends Load {
  readonly name: string
  readonly result: ReplayResult
  /** Of A and B, where they take part. */
  readonly cpuMs?: readonly number[]
}

interface Options {
  readonly rounds: number
  readonly mirror: string | undefined
  readonly fresh: boolean
  readonly line?: Line | undefined
}

interface World {
  readonly stage: Stage
  /** The machine of the client and of B. */
  readonly near: BenchMachine
  readonly far: BenchMachine
  readonly fresh: boolean
  readonly client: ReplayClient
  readonly corpus: Corpus
  readonly warmUp: Corpus
  /** Undefined where it is another process each time. */
  a: StartedNode | undefined
}

export async function run({ rounds: count, mirror, fresh, line }: Options): Promise<unknown> {
  await using stage = await Stage.open()
  const { corpus, warmUp } = await loadCorpora(stage.folder, mirror)
  console.log(`${corpus.files.length} artifacts, ${(corpus.bytes / 1e6).toFixed(0)} MB\n`)
  const [near = LOOPBACK, far = LOOPBACK] = await stage.machines(['client', 'servers'], line)
  const client = startReplayClient(stage, near)
  const rivals = await startRivals(stage, { far, client, corpus })

  const a = await stage.startNode('a', { machine: far })
  await putAll(a.child, corpus)
  // B is like a daemon that has been running for hours: its process is warm, its store has nothing of the corpus.
  await putAll(a.child, warmUp)

  const world: World = { stage, near, far, fresh, client, corpus, warmUp, a }
  if (fresh) {
    await a.child.close()
    world.a = undefined
  }
  const rounds: Round[] = []
  for (let round = 0; round < count; round++) {
    for (const [name, rival] of rivals) {
      rounds.push(await measure(stage, name, () => client.ask(rival, corpus.files)))
    }
    for (const carrier of [false, true]) rounds.push(...(await throughB(world, round, carrier)))
  }
  print(rounds, line)
  return { artifacts: corpus.files.length, bytes: corpus.bytes, fresh, line, rounds }
}

async function startRivals(
  stage: Stage,
  { far, client, corpus }: { far: BenchMachine; client: ReplayClient; corpus: Corpus },
): Promise<Map<string, Target>> {
  const { port } = await stage.startUpstream([corpus], { machine: far })
  const rivals = new Map<string, Target>()
  const options = { stage, machine: far, client }
  const nginx = await startNginx(join(corpus.folder, 'tarballs'), options)
  if (nginx) rivals.set('nginx, the files', nginx)
  const verdaccio = await startVerdaccio(`http://127.0.0.1:${port}`, options)
  if (verdaccio) {
    rivals.set(VERDACCIO, verdaccio)
    await client.ask(verdaccio, corpus.files) // fills its cache
  }
  return rivals
}

async function throughB(world: World, round: number, carrier: boolean): Promise<Round[]> {
  const { stage, near, far, client, corpus, warmUp, fresh } = world
  const gateway = { port: 0, upstream: null }
  const a = world.a ?? (await stage.startNode('a', { machine: far }))
  const name = `b-${round}-${carrier ? 'carrier' : 'quic'}`
  const b = await stage.startNode(name, { machine: near, gateway, carrier })
  await b.child.call('connect', [a.address])
  await waitForInventories(b.child, 1, corpus.files.length + warmUp.files.length)
  if (!fresh) await client.ask(b, warmUp.files)
  await stage.quiesce()
  const before = await b.child.call<Served>('stats')
  const cpu = async (): Promise<number[]> => [
    await a.child.call<number>('cpu'),
    await b.child.call<number>('cpu'),
  ]
  const cpuBefore = await cpu()
  const way = carrier ? 'B from A over a carrier' : 'B from A over QUIC'
  const cold = await measure(stage, way, () => client.ask(b, corpus.files))
  const cpuMs = (await cpu()).map((ms, i) => Math.round(ms - (cpuBefore[i] ?? 0)))
  console.log(
    `round ${round}, ${way}: ${cold.result.seconds.toFixed(2)} s, CPU of A ${cpuMs[0]} ms, of B ${cpuMs[1]} ms`,
  )
  const again = carrier
    ? [await measure(stage, 'B again, from its store', () => client.ask(b, corpus.files))]
    : []
  const after = await b.child.call<Served>('stats')
  const fromA = after.served.peer.artifacts - before.served.peer.artifacts
  if (fromA !== corpus.files.length) {
    throw new Error(`${fromA} of ${corpus.files.length} artifacts came from A`)
  }
  await b.child.close()
  if (fresh) await a.child.close()
  return [{ ...cold, cpuMs }, ...again]
}

async function measure(
  stage: Stage,
  name: string,
  ask: () => Promise<ReplayResult>,
): Promise<Round> {
  const { value, load } = await withLoad(stage, ask)
  return { name, result: value, ...load }
}

function print(rounds: readonly Round[], line: Line | undefined): void {
  const of = (name: string): Round[] => rounds.filter((round) => round.name === name)
  const secondsOf = (name: string): number[] => of(name).map(({ result }) => result.seconds)
  const rows = [...new Set(rounds.map(({ name }) => name))].map((name) => {
    const median = (value: (result: ReplayResult) => number): string =>
      medianBy(of(name), ({ result }) => value(result))
    const share = (of: Line): string =>
      `${median(({ bytes, seconds }) => lineShare(of, bytes, seconds))} %`
    return {
      through: name,
      seconds: summarize(secondsOf(name), 2),
      'of Verdaccio': summarize(ratios(secondsOf(name), secondsOf(VERDACCIO)), 2),
      'MB/s': median(({ bytes, seconds }) => bytes / 1e6 / seconds),
      ...(line !== undefined && {
        'of the line': name.includes('again') ? '' : share(line),
        'packets dropped': medianBy(of(name), ({ dropped }) => dropped),
      }),
      'p50 ms': median(({ p50Ms }) => p50Ms),
      'p99 ms': median(({ p99Ms }) => p99Ms),
      'cores busy': `${medianBy(of(name), ({ coresBusy }) => 100 * coresBusy)} %`,
    }
  })
  console.log(`\n${toMarkdownTable(rows)}`)
  // As daemons do by default.
  const mine = secondsOf('B from A over a carrier')
  const cpu = ({ result, cpuMs = [] }: Round): number =>
    cpuMs.reduce((sum, ms) => sum + ms, result.cpuMs) / 1000
  const limit = `A, B and the client take ${summarize(of('B from A over a carrier').map(cpu), 1)} s of processor time on ${cpus().length} cores`
  if (line === undefined) {
    const ratio = ratios(mine, secondsOf(VERDACCIO))
    noteGoal('replay on loopback, of warm Verdaccio', ratio, { atMost: 1 }, limit)
  } else {
    const ratio = ratios(mine, secondsOf('nginx, the files'))
    noteGoal('replay over a line, of nginx', ratio, { atMost: 1.15 }, limit)
  }
}
