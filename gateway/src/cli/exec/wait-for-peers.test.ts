import { expect, test } from 'vitest'
import { hasHeardEnough } from './wait-for-peers.ts'

test.each<[string, { artifacts: number[]; told: number; unmet: number }, boolean]>([
  ['nobody', { artifacts: [], told: 0, unmet: 1 }, false],
  ['somebody else who has nothing', { artifacts: [0], told: 1, unmet: 1 }, false],
  ['somebody else who has something', { artifacts: [7], told: 1, unmet: 1 }, true],
  ['the named peer, which has told nothing yet', { artifacts: [0], told: 0, unmet: 0 }, false],
  ['the named peer beside one that has told', { artifacts: [0, 0], told: 1, unmet: 0 }, false],
  ['the named peer, which has nothing', { artifacts: [0], told: 1, unmet: 0 }, true],
  ['none of the named, which could not be reached', { artifacts: [], told: 0, unmet: 0 }, false],
])('with %s', (_who, { artifacts, told, unmet }, isEnough) => {
  const node = {
    peers: () => artifacts.map((each) => ({ artifacts: each })),
    counts: () => ({ peers: artifacts.length, inventories: told }),
    stats: () => ({ network: { unmet } }),
  }
  expect(hasHeardEnough(node)).toBe(isEnough)
})
