import { expect, test } from 'vitest'
import { keptForOthers, replicationFacts } from './replication-facts.ts'

test('says whether enough machines keep what was published here', () => {
  const some = { wanted: 3, packages: 2, short: 1 }
  expect(replicationFacts(some)).toEqual([
    [
      'published',
      '2 packages of the network, 1 of them KEPT BY FEWER than 3 machines besides this one',
    ],
  ])
  expect(replicationFacts({ ...some, short: 0 })[0]?.[1]).toContain('each kept by 3 machines')
  expect(replicationFacts({ ...some, wanted: 0 })).toEqual([
    ['published', '2 packages of the network'],
  ])
})

test('says nothing where nothing was published, nor of a daemon that says nothing', () => {
  expect(replicationFacts({ wanted: 3, packages: 0, short: 0 })).toEqual([])
  expect(replicationFacts(undefined)).toEqual([])
})

test('says what is kept here for others', () => {
  const facts = keptForOthers({ replicaBytes: 1024, replicaQuotaBytes: 2048 })
  expect(facts).toEqual([['kept for others', '1.0 kB of 2.0 kB at most']])
  expect(keptForOthers({ replicaBytes: 0, replicaQuotaBytes: 0 })[0]?.[1]).toContain('nothing')
  expect(keptForOthers({})).toEqual([])
})
