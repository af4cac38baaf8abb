/**
 * Question: how fast does a clean install's worth of tarballs come through gateway B from peer A over QUIC, beside
 * Verdaccio with a warm cache and nginx serving the files? B has no upstream; every round B starts empty.
 */
import { readFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startChild, type Child } from './lib/child.ts'
import { loadCorpus, makeWarmUp, type Corpus } from './lib/corpus.ts'
import { formatSpread, spreadOf, toMarkdownTable } from './lib/measure.ts'
import { OFFLINE, waitForInventories } from './lib/offline.ts'
import type { ReplayResult } from './lib/replay-child.ts'
import { settle } from './lib/settle.ts'
import { startNginx, startVerdaccio, type Rival } from './lib/rivals.ts'

interface Served {
  readonly served: { readonly peer: { readonly artifacts: number } }
}

interface Round {
  readonly name: string
  readonly result: ReplayResult
}

export async function run(options: {
  rounds: number
  mirror: string | undefined
}): Promise<unknown> {
  const folder = await mkdtemp(join(tmpdir(), 'catalog-bench-'))
  const children: Child[] = []
  const rivals: Rival[] = []
  const start = (script: string): Child => {
    const child = startChild(script)
    children.push(child)
    return child
  }
  try {
    const corpus = await loadCorpus(join(folder, 'corpus'), options.mirror)
    console.log(`${corpus.files.length} artifacts, ${(corpus.bytes / 1e6).toFixed(0)} MB\n`)
    const replay = start('lib/replay-child.ts')
    const ask = async (port: number, files = corpus.files): Promise<ReplayResult> => {
      const result = await replay.call<ReplayResult>('replay', { port, files, sendIntegrity: true })
      if (result.bad > 0) throw new Error(`${result.bad} of ${result.files} artifacts were wrong`)
      return result
    }

    const upstream = start('lib/upstream-child.ts')
    const { port: upstreamPort } = await upstream.call<{ port: number }>('start', {
      corpora: [corpus],
    })
    const nginx = await startNginx(join(folder, 'nginx'), join(corpus.folder, 'tarballs'))
    if (nginx) rivals.push(nginx)
    const verdaccio = await startVerdaccio(join(folder, 'verdaccio'), upstreamPort)
    if (verdaccio) {
      rivals.push(verdaccio)
      await ask(verdaccio.port) // fills its cache
    }

    const a = start('lib/node-child.ts')
    const { addresses } = await a.call<{ addresses: string[] }>('start', {
      node: { network: OFFLINE, store: { path: join(folder, 'a') } },
    })
    await fill(a, corpus)
    // A daemon has been running since the morning: B's process is warm, its store has none of what is measured.
    const warmUp = await makeWarmUp(join(folder, 'warm-up'))
    await fill(a, warmUp)

    const rounds: Round[] = []
    for (let round = 0; round < options.rounds; round++) {
      if (nginx) rounds.push({ name: 'nginx, the files', result: await ask(nginx.port) })
      if (verdaccio) rounds.push({ name: 'Verdaccio 6, warm', result: await ask(verdaccio.port) })
      const b = start('lib/node-child.ts')
      const { port } = await b.call<{ port: number }>('start', {
        node: { network: OFFLINE, store: { path: join(folder, `b-${round}`) } },
        gateway: { port: 0, upstream: null },
      })
      await b.call('connect', [addresses.find((address) => address.includes('/quic-v1')) ?? ''])
      await waitForInventories(b, 1, corpus.files.length + warmUp.files.length)
      await ask(port, warmUp.files)
      await settle()
      const before = await b.call<Served>('stats')
      const cpuBefore = [await a.call<number>('cpu'), await b.call<number>('cpu')]
      rounds.push({ name: 'B from A over QUIC', result: await ask(port) })
      const cpuAfter = [await a.call<number>('cpu'), await b.call<number>('cpu')]
      const used = cpuAfter.map((ms, i) => Math.round(ms - (cpuBefore[i] ?? 0)))
      console.log(`round ${round}: CPU of A ${used[0]} ms, of B ${used[1]} ms`)
      rounds.push({ name: 'B again, from its store', result: await ask(port) })
      const after = await b.call<Served>('stats')
      const fromA = after.served.peer.artifacts - before.served.peer.artifacts
      if (fromA !== corpus.files.length) {
        throw new Error(`${fromA} of ${corpus.files.length} artifacts came from A`)
      }
      await b.close()
    }
    print(rounds)
    return { artifacts: corpus.files.length, bytes: corpus.bytes, rounds }
  } finally {
    for (const rival of rivals) await rival.stop()
    for (const child of children) await child.close()
    await rm(folder, { recursive: true, force: true })
  }
}

async function fill(node: Child, corpus: Corpus): Promise<void> {
  for (const { path } of corpus.files) {
    await node.call('put', await readFile(join(corpus.folder, 'tarballs', path)))
  }
}

function print(rounds: readonly Round[]): void {
  const names = [...new Set(rounds.map(({ name }) => name))]
  const of = (name: string): ReplayResult[] =>
    rounds.filter((round) => round.name === name).map(({ result }) => result)
  const base = of('Verdaccio 6, warm')
  const rows = names.map((name) => {
    const results = of(name)
    const ratios = results.map((r, i) => r.seconds / (base[i]?.seconds ?? NaN))
    return {
      through: name,
      seconds: formatSpread(spreadOf(results.map((r) => r.seconds)), 2),
      'of Verdaccio': formatSpread(spreadOf(ratios), 2),
      'MB/s': spreadOf(results.map((r) => r.bytes / 1e6 / r.seconds)).median.toFixed(0),
      'p50 ms': spreadOf(results.map((r) => r.p50Ms)).median.toFixed(0),
      'p99 ms': spreadOf(results.map((r) => r.p99Ms)).median.toFixed(0),
    }
  })
  console.log(`\n${toMarkdownTable(rows)}`)
}
