/**
 * Question: does it help to fetch ahead of a client what it, or its metadata, says early of its project? A cold install's
 * traffic through a gateway whose registry is 20 ms away, beside the same without: with npm's audit, with a plugin's list,
 * with guesses, and with everything ordered before the first request, which no guess can beat.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { loadCorpus, makeWarmUp, putAll, type Corpus, type CorpusFile } from './lib/corpus.ts'
import type { InstallResult } from './lib/install-child.ts'
import { waitForInventories } from './lib/inventories.ts'
import { ratios, spreadOf, summarize, toMarkdownTable } from './lib/measure.ts'
import { Stage } from './lib/stage.ts'

const LINE = { delayMs: 20, bytesPerSecond: 125_000_000 }
const TOKEN = 'a token of the benchmark'
/** A project of this many packages, small ones, so that requests and not bytes are what takes time. */
const FILES = 600
const MAX_BYTES = 300_000

interface Arm {
  readonly name: string
  /** Requests at once: npm 15, Yarn 1 8, pnpm 64. */
  readonly concurrency: number
  readonly says?: 'audit' | 'hints'
  readonly predict?: boolean
  /** Everything by POST /-/catalog/prefetch, when the client starts. */
  readonly isOrdered?: boolean
  readonly hasPeer?: boolean
}

const ARMS: readonly Arm[] = [
  { name: 'npm (15 at once)', concurrency: 15 },
  { name: 'npm, audit', concurrency: 15, says: 'audit' },
  { name: 'npm, guesses', concurrency: 15, predict: true },
  { name: 'npm, all ordered at the start', concurrency: 15, isOrdered: true },
  { name: 'npm, peer', concurrency: 15, hasPeer: true },
  { name: 'npm, peer, audit', concurrency: 15, hasPeer: true, says: 'audit' },
  { name: 'Yarn 1 (8 at once)', concurrency: 8 },
  { name: 'Yarn 1, guesses', concurrency: 8, predict: true },
  { name: 'pnpm (64 at once)', concurrency: 64 },
  { name: 'pnpm, list', concurrency: 64, says: 'hints' },
]

interface Hinted {
  readonly fetched: number
  readonly claimed: number
}

interface Installed {
  readonly arm: string
  readonly result: InstallResult
  readonly hints: Hinted
}

interface Project {
  readonly files: readonly CorpusFile[]
  readonly levels: readonly (readonly string[])[]
}

export async function run(options: {
  rounds: number
  mirror: string | undefined
}): Promise<unknown> {
  await using stage = await Stage.open()
  const corpus = await loadCorpus(join(stage.folder, 'corpus'), options.mirror)
  const warmUp = await makeWarmUp(join(stage.folder, 'warm-up'))
  const project = await projectOf(corpus)
  const client = stage.start('lib/install-child.ts')
  const upstream = stage.start('lib/upstream-child.ts')
  const { port } = await upstream.call<{ port: number }>('start', {
    ...{ corpora: [{ ...corpus, files: project.files }, warmUp], line: LINE },
  })
  const peer = await stage.startNode('peer')
  await putAll(peer.child, { ...corpus, files: project.files })

  const results: Installed[] = []
  for (let round = 0; round < options.rounds; round += 1) {
    for (const arm of ARMS) {
      const gateway = {
        ...{ port: 0, upstream: `http://127.0.0.1:${port}/`, adminToken: TOKEN },
        ...{ hints: true, predict: arm.predict === true },
      }
      const node = await stage.startNode(`node-${results.length}`, { gateway })
      const one = { port: node.port, concurrency: arm.concurrency, said: [], levels: [] }
      const warm = warmUp.files.filter(({ bytes }) => bytes < MAX_BYTES).slice(0, 200)
      await client.call('install', { ...one, files: warm, sendIntegrity: true })
      if (arm.hasPeer === true) {
        await node.child.call('connect', [peer.address])
        await waitForInventories(node.child, 1, project.files.length)
      }
      const ordered = arm.isOrdered === true ? order(node.port, project) : undefined
      const result = await client.call<InstallResult>('install', {
        ...{ port: node.port, concurrency: arm.concurrency, says: arm.says },
        ...{ files: inLockOrder(project.files), levels: project.levels, said: project.files },
        sendIntegrity: arm.name.startsWith('npm'),
      })
      await ordered
      results.push({ arm: arm.name, result, hints: await hintsOf(node.port) })
      await node.child.close()
    }
  }
  print(results)
  return { files: project.files.length, results }
}

interface Entry {
  readonly version?: string
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
}

/** Packages of the web application's lockfile, from its roots on, with what they depend on. */
async function projectOf(corpus: Corpus): Promise<Project> {
  const lockfile = new URL('../test/fixtures/web-app/package-lock.json', import.meta.url)
  const { packages } = JSON.parse(await readFile(lockfile, 'utf8')) as {
    packages: Record<string, Entry>
  }
  const byName = new Map(corpus.files.map((file) => [file.name, file]))
  const dependencies = new Map<string, Readonly<Record<string, string>>>()
  for (const [path, entry] of Object.entries(packages)) {
    const name = path.split('node_modules/').at(-1) ?? ''
    if (byName.get(name)?.version === entry.version)
      dependencies.set(name, entry.dependencies ?? {})
  }
  const chosen = new Map<string, CorpusFile>()
  const levels: string[][] = []
  const root = packages['']
  let level = Object.keys({ ...root?.dependencies, ...root?.devDependencies })
  while (level.length > 0 && chosen.size < FILES) {
    const names = level.filter(
      (name) => !chosen.has(name) && (byName.get(name)?.bytes ?? Infinity) < MAX_BYTES,
    )
    for (const name of names) {
      const file = byName.get(name)
      if (file !== undefined)
        chosen.set(name, { ...file, dependencies: dependencies.get(name) ?? {} })
    }
    levels.push([...new Set(names)])
    level = names.flatMap((name) => Object.keys(dependencies.get(name) ?? {}))
  }
  return { files: [...chosen.values()], levels }
}

/** Clients fetch in another order than they resolve in. */
function inLockOrder(files: readonly CorpusFile[]): CorpusFile[] {
  return [...files].sort((a, b) => (a.name < b.name ? -1 : 1))
}

async function order(port: number, { files }: Project): Promise<void> {
  const packages = files.map(({ name, version, integrity }) => ({ name, version, integrity }))
  const response = await fetch(`http://127.0.0.1:${port}/-/catalog/prefetch`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-catalog-token': TOKEN },
    body: JSON.stringify({ packages }),
  })
  await response.text()
}

async function hintsOf(port: number): Promise<Hinted> {
  const response = await fetch(`http://127.0.0.1:${port}/-/catalog/status`)
  return ((await response.json()) as { gateway: { hints: Hinted } }).gateway.hints
}

function print(results: readonly Installed[]): void {
  const of = (arm: string): Installed[] => results.filter((each) => each.arm === arm)
  const base = (arm: Arm): string =>
    ARMS.find((each) => each.concurrency === arm.concurrency && each.hasPeer === arm.hasPeer)
      ?.name ?? ''
  const rows = ARMS.map((arm) => {
    const mine = of(arm.name)
    const seconds = (all: readonly Installed[]): number[] => all.map(({ result }) => result.seconds)
    const spread = (value: (result: InstallResult) => number): string =>
      summarize(
        mine.map(({ result }) => value(result)),
        2,
      )
    return {
      install: arm.name,
      'metadata, s': spread((result) => result.metadataSeconds),
      'tarballs, s': spread((result) => result.tarballSeconds),
      'of the same without': summarize(ratios(seconds(mine), seconds(of(base(arm)))), 2),
      'fetched ahead': spreadOf(mine.map(({ hints }) => hints.fetched)).median.toFixed(0),
      'of these used': spreadOf(mine.map(({ hints }) => hints.claimed)).median.toFixed(0),
    }
  })
  console.log(toMarkdownTable(rows))
}
