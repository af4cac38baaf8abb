/**
 * Question: how many copies does the registry send when 2, 4, 8 and 16 machines start cold and together on one lockfile, and when
 * is the last of them done, where processors are no limit? As cold-fleet.ts, which shares two cores among real daemons; here the
 * machines are in one process, their network is memory with a latency, and they reach the registry through one slow uplink, so
 * that the line is what takes time. Each for itself they would cost as many copies as there are machines. It says nothing of QUIC,
 * HTTP and disks.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Origin } from '../core/src/api.ts'
import { parseDigest } from '../core/src/content/digest.ts'
import type { PackageVersion } from '../core/src/content/name-key.ts'
import { createMemoryDirectory } from '../core/src/discovery/memory-discovery.ts'
import { createMemoryNetwork } from '../core/src/host/memory-host.ts'
import { createSemaphore } from '../core/src/timing/semaphore.ts'
import { systemClock } from '../core/src/timing/clock.ts'
import type { Blob } from '../test/support/blobs.ts'
import { startTransferNode, type StartedTransferNode } from '../test/support/transfer-node.ts'
import { forEachConcurrently } from './lib/concurrently.ts'
import { loadCorpusOf } from './lib/corpus.ts'
import { MB, noteGoal, summarize, toMarkdownTable } from './lib/measure.ts'
import { Stage } from './lib/stage.ts'

const PACKAGES = 200
const REGISTRY = 'http://registry.test/'
/** 40 Mbit/s for all machines together. */
const UPLINK = { delayMs: 20, bytesPerSecond: 5_000_000 }
/** Each machine's card, to the others. */
const LAN = { latencyMs: 0.2, bytesPerSecond: 117_000_000 }
const SIZES = [1, 2, 4, 8, 16]
/** What a client asks for at once, and what a machine fetches at once for others. */
const CONCURRENCY = 32
const PIECE = 64 * 1024
const CHUNK_SIZE = 1024 * 1024

interface Package extends Blob {
  readonly version: PackageVersion
}

interface Measured {
  readonly copies: number
  readonly sends: number
  readonly lastSeconds: number
  readonly misses: number
  /** Bytes, by the machine that sent the others most: its card is what the last one waits for. */
  readonly mostSent: number
}

/** A registry behind one line. */
class Uplink {
  bytes = 0
  sends = 0
  #freeAtMs = 0

  origin({ bytes }: Blob): Origin {
    return {
      visibility: 'public',
      open: async ({ signal }) => {
        await sleep(UPLINK.delayMs, undefined, { signal })
        this.sends += 1
        return { body: this.#body(bytes, signal), size: bytes.byteLength }
      },
    }
  }

  async *#body(bytes: Uint8Array, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.byteLength; at += PIECE) {
      const piece = bytes.subarray(at, at + PIECE)
      const nowMs = performance.now()
      this.#freeAtMs =
        Math.max(this.#freeAtMs, nowMs) + (piece.byteLength / UPLINK.bytesPerSecond) * 1000
      this.bytes += piece.byteLength
      if (this.#freeAtMs - nowMs > 2) await sleep(this.#freeAtMs - nowMs, undefined, { signal })
      yield piece
    }
  }
}

export async function run(options: {
  rounds: number
  machines?: readonly number[] | undefined
}): Promise<unknown> {
  await using stage = await Stage.open()
  const awake = setInterval(() => undefined, 60_000) // the clock of nodes keeps no process alive
  stage.defer(async () => clearInterval(awake))
  const packages = await loadPackages(stage.folder)
  const all = new Map<number, Measured[]>(
    (options.machines ?? SIZES).map((machines) => [machines, []]),
  )
  for (let round = 0; round < options.rounds; round += 1) {
    for (const [machines, measured] of all) measured.push(await measure(packages, machines))
  }
  const alone = all.get(1) ?? []
  const rows = [...all].map(([machines, measured]) => {
    const of = (value: (each: Measured) => number, digits = 2): string =>
      summarize(measured.map(value), digits)
    const ratios = measured.map(
      ({ lastSeconds }, round) => lastSeconds / (alone[round]?.lastSeconds ?? NaN),
    )
    if (machines >= 8) {
      const copies = measured.map((each) => each.copies)
      noteGoal(`fleet of ${machines}, simulated: copies`, copies, { atMost: 1.05 })
      const limit = 'all machines run in one thread here'
      noteGoal(
        `fleet of ${machines}, simulated: last machine, of one`,
        ratios,
        { atMost: 1.25 },
        limit,
      )
    }
    return {
      machines: String(machines),
      'copies from the registry': of(({ copies }) => copies),
      'times a tarball was sent': of(({ sends }) => sends),
      'last machine, seconds': of(({ lastSeconds }) => lastSeconds),
      'of one alone': summarize(ratios, 2),
      'sent by one of them at most, MB': of(({ mostSent }) => mostSent / MB, 0),
      'delegates missed': of(({ misses }) => misses, 0),
    }
  })
  console.log(toMarkdownTable(rows))
  return [...all].map(([machines, measured]) => ({ machines, measured }))
}

async function loadPackages(folder: string): Promise<Package[]> {
  const { files, folder: corpus } = await loadCorpusOf(folder, PACKAGES)
  return await Promise.all(
    files.map(async ({ name, version, path, integrity }) => ({
      version: { registry: REGISTRY, name, version },
      digest: parseDigest(integrity),
      bytes: await readFile(join(corpus, 'tarballs', path)),
    })),
  )
}

async function measure(packages: readonly Package[], machines: number): Promise<Measured> {
  const uplink = new Uplink()
  const nodes = await startMachines(packages, uplink, machines)
  const startedMs = performance.now()
  const seconds = await Promise.all(
    nodes.map(async (node) => {
      await forEachConcurrently(packages, CONCURRENCY, (each) => fetchOne(node, uplink, each))
      return (performance.now() - startedMs) / 1000
    }),
  )
  const mostSent = Math.max(...nodes.map(({ transfer }) => transfer.uploads.bytes))
  await Promise.all(nodes.map((node) => node.stop()))
  return {
    copies: uplink.bytes / packages.reduce((sum, { bytes }) => sum + bytes.byteLength, 0),
    sends: uplink.sends / packages.length,
    lastSeconds: Math.max(...seconds),
    misses: nodes.reduce((sum, node) => sum + node.fleet.stats().failed, 0),
    mostSent,
  }
}

async function startMachines(
  packages: readonly Package[],
  uplink: Uplink,
  machines: number,
): Promise<StartedTransferNode[]> {
  const clock = systemClock
  const network = createMemoryNetwork({ clock, latencyMs: LAN.latencyMs })
  const names = Array.from({ length: machines }, (_, index) => `machine-${index}`)
  const shared = {
    ...{ network, clock, directory: createMemoryDirectory() },
    neighbours: new Set(names),
  }
  const transfer = { chunkSize: CHUNK_SIZE, uploadRate: LAN.bytesPerSecond }
  const nodes: StartedTransferNode[] = []
  for (const name of names) {
    const node = await startTransferNode(name, shared, { transfer, store: { quotaBytes: 1e9 } })
    serve(node, packages, uplink)
    for (const { host } of nodes) {
      await node.host.connect(host.id, { signal: AbortSignal.timeout(5_000) })
    }
    nodes.push(node)
  }
  return nodes
}

/** It fetches for the others. */
function serve(node: StartedTransferNode, packages: readonly Package[], uplink: Uplink): void {
  const slots = createSemaphore(CONCURRENCY)
  const byDigest = new Map(packages.map((each) => [each.digest, each]))
  node.fleet.serve(async ({ digest }, { signal }) => {
    const wanted = digest && byDigest.get(digest)
    if (wanted === undefined) throw new Error('nothing of that name')
    await slots.acquire(signal)
    try {
      await read(node, wanted, { origin: uplink.origin(wanted), signal })
    } finally {
      slots.release()
    }
    return wanted.digest
  })
}

async function fetchOne(node: StartedTransferNode, uplink: Uplink, wanted: Package): Promise<void> {
  await read(node, wanted, { origin: uplink.origin(wanted), fetchAs: wanted.version })
  node.discovery.announce(wanted.digest)
}

async function read(
  { transfer }: StartedTransferNode,
  { digest, bytes }: Package,
  options: Parameters<StartedTransferNode['transfer']['get']>[1],
): Promise<void> {
  const { body } = await transfer.get(digest, options)
  let length = 0
  for await (const part of body) length += part.byteLength
  if (length !== bytes.byteLength) throw new Error(`${length} bytes of ${digest}`)
}
