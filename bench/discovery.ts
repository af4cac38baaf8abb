/**
 * Question: how long does it take to find a head, or who has an artifact, through the DHT, in networks of 10, 100 and 1,000 nodes that
 * are 50 ms apart, and with a tenth of them gone? libp2p's DHT as our nodes set it up, our routing over it, real heads. The network is
 * made up and its time virtual, so that the one processor which plays all nodes adds nothing; what it takes for a lookup is shown
 * beside. Goal: p95 under 500 ms.
 */
import { createHash } from 'node:crypto'
import { digestOf } from '../core/src/content/digest.ts'
import type { FoundValue } from '../core/src/host/host.ts'
import { headKeyOf, headValueKey } from '../core/src/publications/head-key.ts'
import { signHead } from '../core/src/publications/head.ts'
import { generateKey } from '../core/src/signing/hybrid-key.ts'
import { keyIdOf } from '../core/src/signing/key-id.ts'
import { createRoutedNetwork, type RoutedNetwork, type RoutedNode } from './lib/dht-routed.ts'
import { noteGoal, percentile, toMarkdownTable } from './lib/measure.ts'

const SIZES = [10, 100, 1_000] as const
/** Of the nodes: among them are none that look for anything. */
const GONE = [0, 0.1] as const
/** One to connect, one to agree on a stream's protocol; then one for each request. */
const TRIPS = { rttMs: 50, toConnect: 1, toOpen: 1 }
const LOOKUPS = 20
const PACKAGES = 10
/** Long after everything that was begun has ended. */
const LATER_MS = 60_000

interface Sample {
  readonly ms: number
  readonly requests: number
}
interface Result {
  readonly nodes: number
  readonly gone: number
  readonly asker: Asker
  readonly what: string
  readonly samples: readonly Sample[]
  readonly cpuMs: number
}
/** One with full routing tables and no connection, or one that knows the 20 it has just connected to. */
type Asker = 'settled' | 'new'

interface Published {
  readonly valueKey: string
  readonly digest: Buffer
}

export async function run(): Promise<unknown> {
  const results: Result[] = []
  for (const nodes of SIZES) results.push(...(await measure(nodes)))
  console.log(toMarkdownTable(results.map(toRow)))
  for (const { nodes, gone, asker, what, samples } of results) {
    if (nodes < 100 || gone > 0 || what.startsWith('the same')) continue
    const ms = samples.map((sample) => sample.ms).sort((a, b) => a - b)
    const name = `${what}, ${nodes.toLocaleString('en')} nodes, ${asker} asker: p95, ms`
    noteGoal(name, [percentile(ms, 0.95)], { atMost: 500 })
  }
  return results
}

async function measure(nodes: number): Promise<Result[]> {
  await using network = await createRoutedNetwork(nodes, TRIPS)
  const published = await publishAll(network)
  const { signal } = new AbortController()
  const ways = {
    'a head': ({ routing }: RoutedNode, { valueKey }: Published) =>
      first(routing.findValue(valueKey, { signal })),
    'the same, to the end of the walk': ({ routing }: RoutedNode, { valueKey }: Published) =>
      last(routing.findValue(valueKey, { signal })),
    'a provider': ({ routing }: RoutedNode, { digest }: Published) =>
      first(routing.findProviders(digest, { signal })),
  }
  const results: Result[] = []
  for (const gone of GONE) {
    network.lose(gone)
    for (const asker of ['settled', 'new'] as const) {
      for (const [what, look] of Object.entries(ways)) {
        const cpu = process.cpuUsage()
        const samples: Sample[] = []
        for (let index = 0; index < LOOKUPS; index += 1) {
          const one = published[index % PACKAGES]
          if (one === undefined) throw new Error('nothing was published')
          samples.push(await lookUp(network, asker, (node) => look(node, one)))
        }
        const { user, system } = process.cpuUsage(cpu)
        const cpuMs = (user + system) / 1000 / LOOKUPS
        results.push({ nodes, gone, asker, what, samples, cpuMs })
      }
    }
  }
  return results
}

/** By some of the first half of the nodes: the others look for it. */
async function publishAll({ time, pick }: RoutedNetwork): Promise<Published[]> {
  const key = generateKey()
  const publisher = keyIdOf(key.publicKey)
  const { signal } = new AbortController()
  const published: Published[] = []
  for (let index = 0; index < PACKAGES; index += 1) {
    const name = `@acme/tool-${index}`
    const digest = createHash('sha512').update(name).digest()
    const fields = {
      ...{ name, sequence: 1, previous: undefined, changedAtMs: 1, unpublished: [] },
      releases: new Map([['1.0.0', { statement: digestOf(digest) }]]),
      tags: new Map([['latest', '1.0.0']]),
    }
    const valueKey = headValueKey(headKeyOf({ name, publisher }))
    const { routing } = pick('publisher')
    await time.run(routing.putValue(valueKey, signHead(fields, key), { signal }))
    await time.run(routing.provide(digest, { signal }))
    published.push({ valueKey, digest })
  }
  await time.run(time.wait(LATER_MS))
  return published
}

async function lookUp(
  { time, pick, join, disconnect }: RoutedNetwork,
  asker: Asker,
  look: (node: RoutedNode) => Promise<unknown>,
): Promise<Sample> {
  disconnect()
  const reader = asker === 'new' ? await join() : pick('reader')
  const before = { ms: time.now(), requests: reader.node.requests }
  let ms = NaN
  await time.run(
    look(reader).then((found) => {
      if (found === undefined) throw new Error('not found')
      ms = time.now() - before.ms
    }),
  )
  await time.run(time.wait(LATER_MS))
  if (asker === 'new') await reader.node.stop()
  return { ms, requests: reader.node.requests - before.requests }
}

async function first<T>(found: AsyncIterable<T>): Promise<T | undefined> {
  for await (const each of found) return each
  return undefined
}

async function last(found: AsyncIterable<FoundValue>): Promise<FoundValue | undefined> {
  let best: FoundValue | undefined
  for await (const each of found) best = each
  return best
}

function toRow({ nodes, gone, asker, what, samples, cpuMs }: Result): Record<string, string> {
  const sorted = (value: (sample: Sample) => number): number[] =>
    samples.map(value).sort((a, b) => a - b)
  const ms = sorted((sample) => sample.ms)
  return {
    nodes: gone === 0 ? String(nodes) : `${nodes}, ${100 * gone} % gone`,
    asker,
    'looks for': what,
    'p50, ms': percentile(ms, 0.5).toFixed(0),
    'p95, ms': percentile(ms, 0.95).toFixed(0),
    'at most, ms': percentile(ms, 1).toFixed(0),
    requests: percentile(
      sorted((sample) => sample.requests),
      0.5,
    ).toFixed(0),
    'CPU of all nodes, ms': cpuMs.toFixed(0),
  }
}
