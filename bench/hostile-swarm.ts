/**
 * Question: what do many ids of one attacker cost? Memory while six peers ask without reading a byte of an answer, and the time
 * until an honest peer is in while 200 ids of one address have come before it; beside it, in the same round, the time with
 * nobody else there.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { summarize, toMarkdownTable } from './lib/measure.ts'
import { LOOPBACK, networkOf } from './lib/machine.ts'
import { Stage } from './lib/stage.ts'

const MiB = 1024 * 1024
const READERS = 6
const IDS = 200
/** What each of a reader's four streams would send. */
const ASKED_BYTES = 32 * MiB
const SAMPLE_MS = 100
// Every address of 127.0.0.0/8 is this machine's, on Linux.
const ATTACKER = '127.0.0.66'
const HONEST = '127.0.0.7'

interface Peer {
  readonly peer: string
  readonly group: string
}

export async function run(options: { rounds: number }): Promise<unknown> {
  if (process.platform !== 'linux') throw new Error('only Linux has all of 127.0.0.0/8')
  const grown: number[] = []
  const alone: number[] = []
  const crowded: number[] = []
  const places: number[] = []
  for (let round = 0; round < options.rounds; round++) {
    grown.push(await measureReaders(round))
    const crowd = await measureCrowd()
    alone.push(crowd.aloneMs)
    crowded.push(crowd.crowdedMs)
    places.push(crowd.places)
  }
  const row = (what: string, values: number[], digits: number): Record<string, string> => ({
    what,
    value: summarize(values, digits),
  })
  console.log(
    toMarkdownTable([
      row(`MiB that a node grew by while ${READERS} peers asked and read nothing`, grown, 0),
      row('ms until a peer is in, nobody else there', alone, 0),
      row(`ms until a peer is in, after ${IDS} ids of another address`, crowded, 0),
      row('connections that those have by then', places, 0),
    ]),
  )
  return { grown, alone, crowded, places }
}

/** A victim that others reach at 127.0.0.0/8, as a node that is not on loopback alone sees them. */
async function startVictim(stage: Stage) {
  const child = stage.start('lib/node-child.ts')
  const network = {
    ...networkOf(LOOPBACK),
    loopbackOnly: false,
    family: 'ipv4',
    quic: false,
  } as const
  const { addresses } = await child.call<{ addresses: string[] }>('start', { node: { network } })
  const port = /\/tcp\/(\d+)/.exec(addresses.join(' '))?.[1]
  if (port === undefined) throw new Error(`no TCP port in ${addresses.join(', ')}`)
  const { id } = await child.call<{ id: string }>('stats')
  return { child, address: `/ip4/127.0.0.1/tcp/${port}/p2p/${id}` }
}

async function measureReaders(seed: number): Promise<number> {
  await using stage = await Stage.open()
  const { child: victim, address } = await startVictim(stage)
  const digest = await victim.call<string>('putRandom', { bytes: MiB, seed })
  const attacker = stage.start('lib/hostile-child.ts')
  const before = await victim.call<number>('rss')
  let most = before
  let isOver = false
  const asking = attacker
    .call('silentReaders', { address, from: ATTACKER, ids: READERS, digest, bytes: ASKED_BYTES })
    .finally(() => (isOver = true))
  while (!isOver) {
    most = Math.max(most, await victim.call<number>('rss'))
    await pause(SAMPLE_MS)
  }
  await asking
  return (most - before) / MiB
}

async function measureCrowd(): Promise<{ aloneMs: number; crowdedMs: number; places: number }> {
  await using stage = await Stage.open()
  const { child: victim, address } = await startVictim(stage)
  const honest = stage.start('lib/hostile-child.ts')
  const attacker = stage.start('lib/hostile-child.ts')
  const { ms: aloneMs } = await honest.call<{ ms: number }>('joinAlone', { address, from: HONEST })
  await attacker.call('crowd', { address, from: ATTACKER, ids: IDS })
  const { ms: crowdedMs, id } = await honest.call<{ ms: number; id: string }>('joinAlone', {
    address,
    from: HONEST,
  })
  const peers = await victim.call<Peer[]>('peers')
  if (!peers.some(({ peer }) => peer === id)) throw new Error('the honest peer is not in')
  const places = peers.filter(({ group }) => group === ATTACKER).length
  return { aloneMs, crowdedMs, places }
}
