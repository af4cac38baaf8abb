/**
 * Question: what part of an install of packages of the network are their signatures? 150 packages, all of them published without a
 * registry, from a peer: by a frozen lockfile whose client names no digest, and fresh, with metadata. Each check is of two
 * signatures, Ed25519 and Falcon-512. Goal: under 2 % of the time; npm's own work comes on top of it, and is not here.
 */
import { generateKey, verifySignature } from '@catalog-p2p/core'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { InstallResult } from './lib/install-child.ts'
import { waitForInventories } from './lib/inventories.ts'
import { LOOPBACK, networkOf } from './lib/machine.ts'
import { summarizeBy, toMarkdownTable } from './lib/measure.ts'
import type { NetworkMachineOptions, PublishedFile } from './lib/network-child.ts'
import { Stage } from './lib/stage.ts'

const PACKAGES = 150
const CONCURRENCY = 8
const WAYS = ['frozen', 'fresh'] as const
type Way = (typeof WAYS)[number]
const LIST = new URL('./data/web-app.json', import.meta.url)
const COUNTING = new URL('./lib/count-checks.ts', import.meta.url).href

interface Measured {
  readonly way: Way
  readonly result: InstallResult
  readonly checks: number
  /** Of the gateway. */
  readonly cpuMs: number
  /** Of both signatures of one statement, on this machine at that time. */
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
  const secret = generateKey().exportSecret()
  const start = async (name: string, flags: readonly string[]) => {
    const child = stage.start('lib/network-child.ts', LOOPBACK, flags)
    const options: NetworkMachineOptions = {
      folder: join(stage.folder, name),
      node: {
        network: networkOf(LOOPBACK),
        store: { path: join(stage.folder, name, 'store') },
        transfer: { fleet: false },
      },
      ...{ secret, isPublisher: name === 'publisher', token: 'a-token-for-this-only' },
      replication: 0,
    }
    const started = await child.call<{ addresses: string[]; port: number }>('start', options)
    return { child, ...started }
  }
  const publisher = await start('publisher', [])
  const list = JSON.parse(await readFile(LIST, 'utf8')) as readonly [string, string, number][]
  const sizes = list.slice(0, PACKAGES).map(([, , bytes]) => bytes)
  const files = await publisher.child.call<PublishedFile[]>('publishAll', sizes)
  const reader = await start('reader', ['--import', COUNTING])
  await reader.child.call(
    'connect',
    publisher.addresses.filter((each) => each.includes('/quic')),
  )
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
  return { way, result, checks, cpuMs, checkMs: measureCheck() }
}

/** In processor time, milliseconds. */
function measureCheck(): number {
  const { publicKey, sign } = generateKey()
  const message = Buffer.alloc(1_000, 7)
  const signature = sign(message)
  const check = (times: number): void => {
    for (let at = 0; at < times; at += 1) verifySignature(message, { signature, publicKey })
  }
  check(200)
  const times = 500
  const before = process.cpuUsage()
  check(times)
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000 / times
}

function print(rounds: readonly Measured[]): void {
  const rows = WAYS.map((way) => {
    const all = rounds.filter((each) => each.way === way)
    const checked = ({ checks, checkMs }: Measured): number => checks * checkMs
    return {
      install: way,
      seconds: summarizeBy(all, ({ result }) => result.seconds, 2),
      'CPU of the gateway, s': summarizeBy(all, ({ cpuMs }) => cpuMs / 1000, 2),
      checks: summarizeBy(all, ({ checks }) => checks, 0),
      'µs each': summarizeBy(all, ({ checkMs }) => checkMs * 1000, 0),
      '% of the CPU': summarizeBy(all, (each) => (100 * checked(each)) / each.cpuMs, 1),
      '% of the time': summarizeBy(all, (each) => checked(each) / (10 * each.result.seconds), 1),
    }
  })
  console.log(toMarkdownTable(rows))
}
