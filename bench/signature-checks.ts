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
import {
  COUNTING,
  measureBothWays,
  measureCheck,
  type SignatureCost,
  type Way,
} from './lib/signature-cost.ts'
import { Stage, type StartedNode } from './lib/stage.ts'

/** Beside the one that is installed. */
const OLD_VERSIONS = 20
const CONCURRENCY = 32

export async function run(options: { rounds: number }): Promise<unknown> {
  return await measureBothWays(options.rounds, measure)
}

async function measure(way: Way): Promise<SignatureCost> {
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
  const node = await stage.startNode('node', { gateway, flags: COUNTING })
  await node.child.call('connect', [peer.address])
  await waitForInventories(node.child, 1, corpus.files.length)
  const cpuBefore = await node.child.call<number>('cpu')
  const result = await install(node, way === 'fresh')
  const cpuMs = (await node.child.call<number>('cpu')) - cpuBefore
  const checks = await node.child.call<number>('checks')
  return { way, result, checks, cpuMs, checkMs: measureCheck(checkOne(), 2_000) }
}

function namesOf({ files }: Corpus): string[] {
  return [...new Set(files.map(({ name }) => name))]
}

function checkOne(): () => void {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const text = createHash('sha512').update('some-package').digest()
  const signature = sign('sha256', text, privateKey)
  return () => void verify('sha256', text, publicKey, signature)
}
