import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { describe, expect, it } from 'vitest'
import { createFakeClock } from '../../../../test/support/fake-clock.ts'
import { openDatabase } from '../../disk/database.ts'
import { SqliteDatastore } from './datastore.ts'
import { createPeerMemory, type PeerMemory } from './peer-memory.ts'

const DAY_MS = 24 * 60 * 60 * 1000

async function ids(count: number): Promise<string[]> {
  const keys = await Promise.all(Array.from({ length: count }, () => generateKeyPair('Ed25519')))
  return keys.map((key) => peerIdFromPrivateKey(key).toString())
}

async function world(options: { maxMet?: number; withoutAddress?: readonly string[] } = {}) {
  const database = await openDatabase(':memory:')
  new SqliteDatastore(database)
  const clock = createFakeClock()
  let looks = 0
  const vouch = async (peer: string): Promise<boolean> => {
    looks += 1
    return options.withoutAddress?.includes(peer) !== true
  }
  const memory: PeerMemory = createPeerMemory({ database, clock, vouch }, options)
  return { memory, clock, database, looks: () => looks }
}

describe('peer memory', () => {
  it('remembers those seen within a day first, and of each those known longest', async () => {
    const { memory, clock } = await world()
    const [old = '', known = '', fresh = ''] = await ids(3)
    memory.saw(old, 'a', undefined)
    memory.saw(known, 'b', undefined)
    await clock.advance(2 * DAY_MS)
    memory.saw(fresh, 'c', undefined)
    memory.saw(known, 'b', undefined)
    expect(await memory.remembered(10)).toEqual([known, fresh, old])
    expect(await memory.remembered(1)).toEqual([known])
  })

  it('leaves out those that there is no address of', async () => {
    const [gone = '', here = ''] = await ids(2)
    const { memory } = await world({ withoutAddress: [gone] })
    memory.saw(gone, 'a', undefined)
    memory.saw(here, 'b', undefined)
    expect(await memory.remembered(10)).toEqual([here])
  })

  it('looks at few, however many there are, and not at many of one address', async () => {
    const { memory, looks } = await world()
    const [honest = '', ...liars] = await ids(201)
    for (const liar of liars) memory.saw(liar, 'one address', undefined)
    memory.saw(honest, 'another', undefined)
    const remembered = await memory.remembered(32)
    expect(remembered).toContain(honest)
    expect(remembered).toHaveLength(5)
    expect(looks()).toBeLessThanOrEqual(32)
  })

  it('forgets those of the address with the most first, and who was not seen for a month', async () => {
    const { memory, database, clock } = await world({ maxMet: 20 })
    const [honest = '', other = '', ...liars] = await ids(80)
    memory.saw(honest, 'a', undefined)
    for (const liar of liars) memory.saw(liar, 'one address', undefined)
    memory.saw(other, 'b', undefined)
    const count = (): number =>
      Number(database.prepare('SELECT count(*) AS n FROM met').get()?.['n'])
    expect(count()).toBeLessThanOrEqual(20)
    expect(await memory.remembered(10)).toEqual(expect.arrayContaining([honest, other]))
    await clock.advance(31 * DAY_MS)
    for (const liar of liars.slice(0, 25)) memory.saw(liar, 'one address', undefined)
    expect(await memory.remembered(10)).not.toContain(honest)
  })
})
