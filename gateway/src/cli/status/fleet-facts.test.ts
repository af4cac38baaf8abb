import { expect, test } from 'vitest'
import { fleetFacts } from './fleet-facts.ts'

const fleet = {
  members: 7,
  received: 1105,
  failed: 0,
  misses: { silent: 0, slow: 0, refused: 0, failed: 0 },
  fetched: 160,
}
const documents = { fetched: 400 }
const tarballs = { peer: { bytes: 700 }, origin: { bytes: 100 } }

test('says what the machines of a network fetch for each other', () => {
  expect(fleetFacts(fleet, tarballs, documents)).toEqual([
    [
      'fleet',
      '7 machines beside this one; 1105 artifacts fetched by them for us; 160 by us for them; about 1.0 copies from upstream',
    ],
  ])
  const [failing] = fleetFacts({ ...fleet, failed: 3 }, tarballs, documents)
  expect(failing?.[1]).toContain('for us, 3 not given in time;')
})

test('says nothing of a fleet of one, nor of a daemon that says nothing', () => {
  expect(fleetFacts({ ...fleet, members: 0 }, tarballs, documents)).toEqual([])
  expect(fleetFacts(undefined, tarballs, documents)).toEqual([])
})

test('counts no copies before anything has come', () => {
  const nothing = { peer: { bytes: 0 }, origin: { bytes: 0 } }
  expect(fleetFacts(fleet, nothing, documents)[0]?.[1]).not.toContain('copies')
})

test('says what they share of metadata', () => {
  const { misses } = fleet
  const metadata = { members: 7, received: 350, failed: 0, misses, given: 340 }
  expect(fleetFacts({ ...fleet, metadata }, tarballs, documents)[0]?.[1]).toContain(
    '; metadata shared with 7: 350 documents from them, 340 to them, about 1.0 copies',
  )
})
