/** A node with the lists of many peers, in a process of its own: how fast it looks names up in them, and what they take. */
import { listingPeers, randomKeys, type ListingPeers } from '../../test/support/listing-peers.ts'
import { answerCalls, cpuMs } from './child.ts'

export interface Lookups {
  /** Of processor time, each. */
  readonly micros: number
  /** Peers found, on average. */
  readonly found: number
}

export interface ListsTaken {
  readonly peers: number
  /** Whose list is kept. */
  readonly known: number
  /** What the lists have added to the process, in bytes. */
  readonly bytes: number
}

/** So many keys are known to all peers, and as many to each peer alone. */
const SAMPLES = 1_000

let world: ListingPeers | undefined
let shared: ReturnType<typeof randomKeys> = []
let own: ReturnType<typeof randomKeys> = []

async function start({ peers, names }: { peers: number; names: number }): Promise<void> {
  world = await listingPeers()
  shared = randomKeys(SAMPLES)
  for (let peer = 0; peer < peers; peer += 1) {
    const keys = randomKeys(Math.ceil(SAMPLES / peers))
    own.push(...keys)
    const others = names - shared.length - keys.length
    await world.list({ artifacts: 0, names: others, keys: [...shared, ...keys] })
  }
  own = own.slice(0, SAMPLES)
  await waitFor((known) => known === peers)
}

/** Until `isEnough` of the peers whose lists are here. */
async function waitFor(isEnough: (known: number) => boolean): Promise<void> {
  const deadline = performance.now() + 60_000
  while (!isEnough(knownPeers())) {
    if (performance.now() > deadline) throw new Error(`${knownPeers()} lists have arrived`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

function knownPeers(): number {
  return world?.node.peers().filter(({ artifacts, names }) => artifacts + names > 0).length ?? 0
}

function lookUp({ kind, count }: { kind: 'none' | 'one' | 'all'; count: number }): Lookups {
  if (world === undefined) throw new Error('start first')
  const { questions } = world.node
  const keys = { none: randomKeys(SAMPLES), one: own, all: shared }[kind]
  let found = 0
  const before = cpuMs()
  for (let at = 0; at < count; at += 1) {
    const key = keys[at % keys.length]
    if (key !== undefined) found += questions.holders(key).length
  }
  return { micros: ((cpuMs() - before) * 1000) / count, found: found / count }
}

/** One list after another, until all have been told. */
async function measure(options: {
  peers: number
  artifacts: number
  names: number
}): Promise<ListsTaken> {
  const { peers, artifacts, names } = options
  world = await listingPeers()
  const before = bytesInUse()
  for (let peer = 0; peer < peers; peer += 1) await world.list({ artifacts, names })
  let last = -1
  // Lists that are too much are let go as others arrive.
  while (knownPeers() !== last) {
    last = knownPeers()
    await new Promise((resolve) => setTimeout(resolve, 500))
  }
  return { peers, known: last, bytes: bytesInUse() - before }
}

function bytesInUse(): number {
  for (let times = 0; times < 3; times += 1) globalThis.gc?.()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

answerCalls({ start, lookUp, measure }, async () => {
  await world?.[Symbol.asyncDispose]()
})
