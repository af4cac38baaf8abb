import { expect, test } from 'vitest'
import { fleetFacts } from './fleet-facts.ts'

const fleet = {
  members: 7,
  received: 1105,
  failed: 0,
  misses: { silent: 0, slow: 0, refused: 0, failed: 0 },
  fetched: 160,
}
const tarballs = { peer: { bytes: 700 }, origin: { bytes: 100 } }

test('says what the machines of a network fetch for each other', () => {
  expect(fleetFacts(fleet, tarballs)).toEqual([
    [
      'fleet',
      '7 machines beside this one; 1105 artifacts fetched by them for us; 160 by us for them; about 1.0 copies from upstream',
    ],
  ])
  const [failing] = fleetFacts({ ...fleet, failed: 3 }, tarballs)
  expect(failing?.[1]).toContain('for us, 3 not given in time;')
})

test('says nothing of a fleet of one, nor of a daemon that says nothing', () => {
  expect(fleetFacts({ ...fleet, members: 0 }, tarballs)).toEqual([])
  expect(fleetFacts(undefined, tarballs)).toEqual([])
})

test('counts no copies before anything has come', () => {
  const nothing = { peer: { bytes: 0 }, origin: { bytes: 0 } }
  expect(fleetFacts(fleet, nothing)[0]?.[1]).not.toContain('copies')
})
