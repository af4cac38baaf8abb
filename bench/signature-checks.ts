/**
 * Question: what part of an install's time are the registry's signatures that are checked in it? 1,150 packages from a peer, with no
 * registry in reach: by a frozen lockfile whose client names no digest (a record for each), and fresh, with the metadata from the
 * peer too (every version in it). Goal: under 2 % of the time; npm's or pnpm's own work comes on top of it, and is not here.
 */
import { createHash, generateKeyPairSync, sign, verify } from 'node:crypto'
import { join } from 'node:path'
import { writeKeyring } from '../test/support/signed-swarm.ts'
import { loadPackages, type Corpus } from './lib/corpus.ts'
import type { InstallResult } from './lib/install-child.ts'
import { waitForInventories } from './lib/inventories.ts'
import { summarizeBy, toMarkdownTable } from './lib/measure.ts'
import { Stage, type StartedNode } from './lib/stage.ts'

/** Beside the one that is installed. */
const OLD_VERSIONS = 20
const CONCURRENCY = 32
const WAYS = ['frozen', 'fresh'] as const
type Way = (typeof WAYS)[number]

interface Measured {
  readonly way: Way
  readonly result: InstallResult
  readonly checks: number
  /** Of the gateway. */
  readonly cpuMs: number
  /** Of one check, on this machine at that time. */
  readonly checkMs: number
}

export async function run(options: { rounds: number }): Promise<unknown> {
  const rounds: Measured[] = []
  for (let round = 0; round < options.rounds; round += 1) {
    for (const way of WAYS) rounds.push(await measure(way))
  }
  print(rounds)
  return rounds
}

async function measure(way: Way): Promise<Measured> {
  await using stage = await Stage.open()
  const corpus = await loadPackages(stage.folder)
  const upstream = await stage.startUpstream([corpus], {
    oldVersions: OLD_VERSIONS,
    isSigned: true,
  })
  const origin = `http://127.0.0.1:${upstream.port}/`
  const keyringPath = join(stage.folder, 'keys.json')
  if (upstream.key !== undefined) await writeKeyring(keyringPath, origin, upstream.key)
  const gateway = { port: 0, upstream: origin, keyringPath }
  const peer = await stage.startNode('peer', { gateway })
  const client = stage.start('lib/install-child.ts')
  const install = (node: StartedNode, isFresh: boolean): Promise<InstallResult> =>
    client.call<InstallResult>('install', {
      ...{ port: node.port, files: corpus.files, concurrency: CONCURRENCY, hinted: [] },
      levels: isFresh ? [namesOf(corpus)] : [],
      sendIntegrity: false,
    })
  await install(peer, true)
  await upstream.child.close()
  const node = await stage.startNode('node', { gateway, flags: ['--import', COUNTING] })
  await node.child.call('connect', [peer.address])
  await waitForInventories(node.child, 1, corpus.files.length)
  const cpuBefore = await node.child.call<number>('cpu')
  const result = await install(node, way === 'fresh')
  const cpuMs = (await node.child.call<number>('cpu')) - cpuBefore
  const checks = await node.child.call<number>('checks')
  return { way, result, checks, cpuMs, checkMs: measureCheck() }
}

const COUNTING = new URL('./lib/count-checks.ts', import.meta.url).href

function namesOf({ files }: Corpus): string[] {
  return [...new Set(files.map(({ name }) => name))]
}

/** In processor time, milliseconds. */
function measureCheck(): number {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const text = createHash('sha512').update('some-package').digest()
  const signature = sign('sha256', text, privateKey)
  const times = 2_000
  const before = process.cpuUsage()
  for (let at = 0; at < times; at += 1) verify('sha256', text, publicKey, signature)
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000 / times
}

function print(rounds: readonly Measured[]): void {
  const rows = WAYS.map((way) => {
    const all = rounds.filter((each) => each.way === way)
    return {
      install: way,
      seconds: summarizeBy(all, ({ result }) => result.seconds, 2),
      'CPU of the gateway, s': summarizeBy(all, ({ cpuMs }) => cpuMs / 1000, 2),
      checks: summarizeBy(all, ({ checks }) => checks, 0),
      'µs each': summarizeBy(all, ({ checkMs }) => checkMs * 1000, 0),
      '% of the CPU': summarizeBy(
        all,
        (each) => (100 * each.checks * each.checkMs) / each.cpuMs,
        1,
      ),
      '% of the time': summarizeBy(
        all,
        ({ checks, checkMs, result }) => (checks * checkMs) / (10 * result.seconds),
        1,
      ),
    }
  })
  console.log(toMarkdownTable(rows))
}
