/**
 * Question: how much time does prefetching by hints save? A cold install's requests through a gateway whose registry is 20 ms
 * away: without hints, with npm's audit, with a plugin's list, and with the whole lockfile ordered
 * before the first request, which no hint can beat.
 */
import { readFile } from 'node:fs/promises'
import { loadCorpora, putAll, type Corpus, type CorpusFile } from './lib/corpus.ts'
import type { Child } from './lib/child.ts'
import type { InstallResult } from './lib/install-child.ts'
import { waitForInventories } from './lib/inventories.ts'
import { medianBy, ratios, summarize, summarizeBy, toMarkdownTable } from './lib/measure.ts'
import { Stage, type StartedNode } from './lib/stage.ts'

const DISTANCE = { delayMs: 20, bytesPerSecond: 125_000_000 }
const TOKEN = 'a token of the benchmark'
/** A project of this many small packages, so that requests take the time, and not bytes. */
const FILES = 600
const MAX_BYTES = 300_000

/** A client with one kind of hints. */
interface Variant {
  readonly name: string
  /** Requests at once: npm 15, pnpm 64. */
  readonly concurrency: number
  readonly hints?: 'audit' | 'list'
  /** The whole lockfile by POST /-/catalog/prefetch, when the client starts. */
  readonly isOrdered?: boolean
  readonly hasPeer?: boolean
}

const VARIANTS: readonly Variant[] = [
  { name: 'npm (15 at once)', concurrency: 15 },
  { name: 'npm, audit', concurrency: 15, hints: 'audit' },
  { name: 'npm, all ordered at the start', concurrency: 15, isOrdered: true },
  { name: 'npm, peer', concurrency: 15, hasPeer: true },
  { name: 'npm, peer, audit', concurrency: 15, hasPeer: true, hints: 'audit' },
  { name: 'pnpm (64 at once)', concurrency: 64 },
  { name: 'pnpm, list', concurrency: 64, hints: 'list' },
]

interface HintCounts {
  readonly fetched: number
  readonly claimed: number
}

interface Installed {
  readonly variant: string
  readonly result: InstallResult
  readonly hints: HintCounts
}

interface Project {
  readonly files: readonly CorpusFile[]
  readonly levels: readonly (readonly string[])[]
}

interface World {
  readonly stage: Stage
  readonly client: Child
  readonly upstreamPort: number
  readonly peer: StartedNode
  readonly project: Project
  readonly warmUp: readonly CorpusFile[]
}

export async function run(options: {
  rounds: number
  mirror: string | undefined
}): Promise<unknown> {
  await using stage = await Stage.open()
  const { corpus, warmUp } = await loadCorpora(stage.folder, options.mirror)
  const project = await projectOf(corpus)
  const projectCorpus = { ...corpus, files: project.files }
  const client = stage.start('lib/install-child.ts')
  const { port } = await stage.startUpstream([projectCorpus, warmUp], { distance: DISTANCE })
  const peer = await stage.startNode('peer')
  await putAll(peer.child, projectCorpus)
  const small = warmUp.files.filter(({ bytes }) => bytes < MAX_BYTES).slice(0, 200)
  const world: World = { stage, client, upstreamPort: port, peer, project, warmUp: small }

  const results: Installed[] = []
  for (let round = 0; round < options.rounds; round += 1) {
    for (const variant of VARIANTS) {
      results.push(await measure(world, variant, `node-${results.length}`))
    }
  }
  print(results)
  return { files: project.files.length, results }
}

async function measure(world: World, variant: Variant, name: string): Promise<Installed> {
  const { stage, client, peer, project } = world
  const gateway = {
    port: 0,
    upstream: `http://127.0.0.1:${world.upstreamPort}/`,
    adminToken: TOKEN,
    hints: true,
  }
  const node = await stage.startNode(name, { gateway })
  const target = { port: node.port, concurrency: variant.concurrency }
  await client.call('install', {
    ...target,
    files: world.warmUp,
    levels: [],
    hinted: [],
    sendIntegrity: true,
  })
  if (variant.hasPeer === true) {
    await node.child.call('connect', [peer.address])
    await waitForInventories(node.child, 1, project.files.length)
  }
  const ordered = variant.isOrdered === true ? order(node.port, project) : undefined
  const result = await client.call<InstallResult>('install', {
    ...target,
    files: inLockOrder(project.files),
    levels: project.levels,
    hints: variant.hints,
    hinted: project.files,
    sendIntegrity: variant.name.startsWith('npm'),
  })
  await ordered
  const hints = await hintCounts(node.port)
  await node.child.close()
  return { variant: variant.name, result, hints }
}

interface Entry {
  readonly version?: string
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
}

/** Packages of the web application's lockfile, from its roots on, with their dependencies. */
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

async function hintCounts(port: number): Promise<HintCounts> {
  const response = await fetch(`http://127.0.0.1:${port}/-/catalog/status`)
  return ((await response.json()) as { gateway: { hints: HintCounts } }).gateway.hints
}

function print(results: readonly Installed[]): void {
  const of = (name: string): Installed[] => results.filter(({ variant }) => variant === name)
  const secondsOf = (name: string): number[] => of(name).map(({ result }) => result.seconds)
  const rows = VARIANTS.map((variant) => {
    const { name } = variant
    // The first of its kind is the one without hints.
    const base = VARIANTS.find(
      ({ concurrency, hasPeer }) =>
        concurrency === variant.concurrency && hasPeer === variant.hasPeer,
    )
    return {
      install: name,
      'metadata, s': summarizeBy(of(name), ({ result }) => result.metadataSeconds, 2),
      'tarballs, s': summarizeBy(of(name), ({ result }) => result.tarballSeconds, 2),
      'of the same without': summarize(ratios(secondsOf(name), secondsOf(base?.name ?? '')), 2),
      'fetched ahead': medianBy(of(name), ({ hints }) => hints.fetched),
      'of these used': medianBy(of(name), ({ hints }) => hints.claimed),
    }
  })
  console.log(toMarkdownTable(rows))
}
