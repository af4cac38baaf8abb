/**
 * Question: are the defaults right, each beside its neighbours? The size of a chunk, how many large artifacts move from a peer at
 * once, how much of them is kept in memory, how chunks are compressed; and what it costs to verify one. Processor time, which a busy machine hardly changes, and
 * the time by the clock. Not replication: so many copies cost so many uploads, and what they are good for is no matter of time.
 */
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { constants, gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { compressSync as lz4, uncompressSync as unLz4 } from 'lz4-napi'
import { loadCorpusOf } from './lib/corpus.ts'
import { cpuMs } from './lib/child.ts'
import { forEachConcurrently } from './lib/concurrently.ts'
import { waitForInventories } from './lib/inventories.ts'
import { hashLeaves, matchesLeaf } from '../core/src/content/merkle.ts'
import { MB, noteGoal, summarizeBy, toMarkdownTable } from './lib/measure.ts'
import { startReplayClient } from './lib/replay-client.ts'
import { Stage } from './lib/stage.ts'

const KIB = 1024
const CHUNK_SIZES = [256, 512, 1024, 2048, 4096].map((kib) => kib * KIB)
const TRANSFERS = [4, 10, 20]
/** MiB; of the 12 MB asked for: none, a third, all. */
const MEMORY = [0, 4, 64]
const CLIENTS = 32

interface Cost {
  readonly setting: string
  readonly seconds: number
  /** Of the processes that take part. */
  readonly cpuSeconds: number
  /** Of the one that a client talks to, at the end. */
  readonly mib: number
}

interface Options {
  readonly rounds: number
  readonly quick: boolean
}

export async function run(options: Options): Promise<unknown> {
  const artifact = (options.quick ? 8 : 100) * MB
  const many = options.quick ? 8 : 40
  const rest = (stage: Stage): Promise<void> =>
    options.quick ? Promise.resolve() : stage.quiesce()
  const chunk = await each(options, CHUNK_SIZES, (size) =>
    transfer({ chunkSize: size }, { count: 1, bytes: artifact, rest }, `${size / KIB} KiB`),
  )
  const transfers = await each(options, TRANSFERS, (count) =>
    transfer(
      { maxConcurrentTransfers: count },
      { count: many, bytes: 2 * MB, rest },
      String(count),
    ),
  )
  const memory = await each(options, MEMORY, (mib) => fromStore(mib, rest))
  print('chunk size, one artifact', chunk)
  print('artifacts at once, 2 MB each', transfers)
  print('MiB of artifacts in memory, 300 small ones (12 MB) asked for in turn', memory)
  const compression = await compress(options.quick ? 1 : 20)
  console.log(`\n${toMarkdownTable(compression)}`)
  const verified = verifyChunks(options.quick ? 20 : 200)
  noteGoal('a chunk of 1 MiB verified, ms of CPU', verified, { atMost: 2 })
  return { chunk, transfers, memory, compression, verified }
}

async function each<T>(
  { rounds }: Options,
  settings: readonly T[],
  measure: (setting: T) => Promise<Cost>,
): Promise<Cost[]> {
  const costs: Cost[] = []
  for (let round = 0; round < rounds; round += 1) {
    for (const setting of settings) costs.push(await measure(setting))
  }
  return costs
}

/** From one fresh node to another, both so set; a first artifact warms them up. */
async function transfer(
  options: { chunkSize?: number; maxConcurrentTransfers?: number },
  { count, bytes, rest }: { count: number; bytes: number; rest: (stage: Stage) => Promise<void> },
  setting: string,
): Promise<Cost> {
  await using stage = await Stage.open()
  const provider = await stage.startNode('provider', { transfer: options })
  const getter = await stage.startNode('getter', { transfer: options })
  const warmUp = await provider.child.call<string>('putRandom', { bytes: 8 * MB, seed: 1_000_000 })
  const digests: string[] = []
  for (let seed = 0; seed < count; seed += 1) {
    digests.push(await provider.child.call<string>('putRandom', { bytes, seed }))
  }
  await getter.child.call('connect', [provider.address])
  await waitForInventories(getter.child, 1, count + 1)
  await getter.child.call('get', warmUp)
  await rest(stage)
  const cpu = async (): Promise<number> =>
    (await provider.child.call<number>('cpu')) + (await getter.child.call<number>('cpu'))
  const [cpuBefore, startedMs] = [await cpu(), performance.now()]
  await forEachConcurrently(digests, CLIENTS, (digest) => getter.child.call('get', digest))
  const seconds = (performance.now() - startedMs) / 1000
  const cpuSeconds = ((await cpu()) - cpuBefore) / 1000
  return { setting, seconds, cpuSeconds, mib: (await getter.child.call<number>('rss')) / 2 ** 20 }
}

/** What a client asks for again comes from the store. */
async function fromStore(memoryMib: number, rest: (stage: Stage) => Promise<void>): Promise<Cost> {
  await using stage = await Stage.open()
  const all = await loadCorpusOf(stage.folder, 350)
  const files = all.files.filter(({ bytes }) => bytes < MB).slice(0, 300)
  const { port } = await stage.startUpstream([{ ...all, files }])
  const node = await stage.startNode('node', {
    gateway: { port: 0, upstream: `http://127.0.0.1:${port}/` },
    store: { memoryBytes: memoryMib * KIB * KIB },
  })
  const client = startReplayClient(stage)
  await client.ask(node, files)
  await rest(stage)
  const cpuBefore = await node.child.call<number>('cpu')
  let seconds = 0
  for (let pass = 0; pass < 5; pass += 1) seconds += (await client.ask(node, files)).seconds
  const cpuSeconds = ((await node.child.call<number>('cpu')) - cpuBefore) / 1000
  const mib = (await node.child.call<number>('rss')) / 2 ** 20
  return { setting: String(memoryMib), seconds, cpuSeconds, mib }
}

/** Milliseconds of processor time for each of `times` chunks of 1 MiB; the first ones warm up and don't count. */
function verifyChunks(times: number): number[] {
  const chunk = randomBytes(KIB * KIB)
  const leaves = hashLeaves(chunk, chunk.byteLength)
  const verify = (): number => {
    const before = cpuMs()
    if (!matchesLeaf(chunk, leaves, 0)) throw new Error('a chunk does not match its own leaf')
    return cpuMs() - before
  }
  for (let at = 0; at < 10; at += 1) verify()
  return Array.from({ length: times }, verify)
}

/** Of metadata: a lockfile has names, versions, ranges and hashes as packuments do. In this process, in processor time. */
async function compress(times: number): Promise<Record<string, string>[]> {
  const text = await readFile(new URL('../package-lock.json', import.meta.url))
  const zstd = { params: { [constants.ZSTD_c_compressionLevel]: 3 } }
  const ways: Record<string, [(bytes: Buffer) => Buffer, (bytes: Buffer) => Buffer]> = {
    none: [(bytes) => bytes, (bytes) => bytes],
    'zstd, level 3': [
      (bytes) => zstdCompressSync(bytes, zstd),
      (bytes) => zstdDecompressSync(bytes),
    ],
    lz4: [(bytes) => lz4(bytes), (bytes) => unLz4(bytes)],
    'gzip, level 4': [(bytes) => gzipSync(bytes, { level: 4 }), (bytes) => gunzipSync(bytes)],
  }
  const timed = (work: () => Buffer): string => {
    work()
    const before = cpuMs()
    for (let at = 0; at < times; at += 1) work()
    return ((cpuMs() - before) / times / (text.byteLength / MB)).toFixed(1)
  }
  return Object.entries(ways).map(([name, [pack, unpack]]) => {
    const packed = pack(text)
    return {
      'chunks of metadata': name,
      'of the bytes': (packed.byteLength / text.byteLength).toFixed(3),
      'pack, ms of CPU a MB': timed(() => pack(text)),
      'unpack, ms of CPU a MB': timed(() => unpack(packed)),
    }
  })
}

function print(title: string, costs: readonly Cost[]): void {
  const groups = Map.groupBy(costs, ({ setting }) => setting)
  const rows = [...groups].map(([setting, all]) => ({
    [title]: setting,
    'CPU, s': summarizeBy(all, ({ cpuSeconds }) => cpuSeconds, 2),
    seconds: summarizeBy(all, ({ seconds }) => seconds, 2),
    'MiB at the end': summarizeBy(all, ({ mib }) => mib, 0),
  }))
  console.log(`\n${toMarkdownTable(rows)}`)
}
