/**
 * Question: what part of an install of packages of the network are their signatures? 150 packages, all of them published without a
 * registry, from a peer: by a frozen lockfile whose client names no digest, and fresh, with metadata. Each check is of two
 * signatures, Ed25519 and Falcon-512. Goal: under 2 % of the time; npm's own work comes on top of it, and is not here.
 */
import { generateKey, verifySignature } from '@catalog-p2p/core'
import { readFile } from 'node:fs/promises'
import type { InstallResult } from './lib/install-child.ts'
import { waitForInventories } from './lib/inventories.ts'
import type { PublishedFile } from './lib/network-child.ts'
import { startNetworkMachine } from './lib/network-machine.ts'
import {
  COUNTING,
  measureBothWays,
  measureCheck,
  type SignatureCost,
  type Way,
} from './lib/signature-cost.ts'
import { Stage } from './lib/stage.ts'

const PACKAGES = 150
const CONCURRENCY = 8
const LIST = new URL('./data/web-app.json', import.meta.url)

export async function run(options: { rounds: number }): Promise<unknown> {
  return await measureBothWays(options.rounds, measure)
}

async function measure(way: Way): Promise<SignatureCost> {
  await using stage = await Stage.open()
  const secret = generateKey().exportSecret()
  const how = { secret, token: 'a-token-for-this-only', replication: 0 }
  const publisher = await startNetworkMachine(stage, 'publisher', how)
  const list = JSON.parse(await readFile(LIST, 'utf8')) as readonly [string, string, number][]
  const sizes = list.slice(0, PACKAGES).map(([, , bytes]) => bytes)
  const files = await publisher.child.call<PublishedFile[]>('publishAll', sizes)
  const reader = await startNetworkMachine(stage, 'reader', { ...how, flags: COUNTING })
  await reader.child.call('connect', publisher.addresses)
  await waitForInventories(reader.child, 1, 2 * files.length)
  // A head and a record of each.
  while (
    (await reader.child.call<{ names: number }[]>('peers')).every(
      ({ names }) => names < 2 * files.length,
    )
  ) {
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  const before = await reader.child.call<number>('checks')
  const cpuBefore = await reader.child.call<number>('cpu')
  const result = await stage.start('lib/install-child.ts').call<InstallResult>('install', {
    ...{ port: reader.port, files, concurrency: CONCURRENCY, hinted: [], sendIntegrity: false },
    levels: way === 'fresh' ? [files.map(({ name }) => name)] : [],
  })
  const cpuMs = (await reader.child.call<number>('cpu')) - cpuBefore
  const checks = (await reader.child.call<number>('checks')) - before
  return { way, result, checks, cpuMs, checkMs: measureCheck(checkBoth(), 500) }
}

/** Both signatures of one statement. */
function checkBoth(): () => void {
  const { publicKey, sign } = generateKey()
  const message = Buffer.alloc(1_000, 7)
  const signature = sign(message)
  return () => void verifySignature(message, { signature, publicKey })
}
