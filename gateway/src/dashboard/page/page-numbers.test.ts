/** What the page works out of numbers. */
import { expect, test } from 'vitest'
import type { InstallRow, TrafficSection } from '../snapshot.ts'
import { bytes, duration, percent, plural, shortId } from './format.ts'
import { lineWidth, MAX_PLACED, placePeers } from './swarm-map.ts'
import { stackTraffic } from './traffic-data.ts'
import { axisOf, barOf } from './waterfall.ts'

test('numbers in words', () => {
  expect([0, 812, 1000, 8_140_000, 999_600_000].map(bytes)).toEqual([
    ...['0 B', '812 B', '1.0 kB', '8.1 MB', '1.0 GB'],
  ])
  expect([0.4, 340, 1400, 59_000, 125_000, 11_400_000, 86_400_000].map(duration)).toEqual([
    ...['< 1 ms', '340 ms', '1.4 s', '59 s', '2 min 5 s', '3 h 10 min', '1 d'],
  ])
  expect([percent(0, 0), percent(1, 1000), percent(999, 1000), percent(1, 2)]).toEqual([
    ...['0 %', '< 1 %', '> 99 %', '50 %'],
  ])
  expect([plural(1, 'peer'), plural(1204, 'peer')]).toEqual(['1 peer', '1,204 peers'])
  expect(shortId('12D3KooWabcdef')).toBe('…abcdef')
})

test('bars begin and end within their axis, and what has no first byte only waits', () => {
  const row: InstallRow = {
    ...{ number: 1, kind: 'tarball', name: 'a', version: '1.0.0', bytes: 1, source: 'peer' },
    ...{
      at: 100,
      located: 1,
      wait: 50,
      total: 200,
      outcome: 'done',
      givers: [],
      late: 0,
      isAhead: false,
    },
  }
  const axis = axisOf([row], null, 0)
  expect(axis).toEqual({ endMs: 300, ticks: [0, 50, 100, 150, 200, 250] })
  expect(barOf(row, 400, 0)).toEqual({
    ...{ left: '25.00%', waitWidth: '12.50%', moveLeft: '37.50%', moveWidth: '37.50%' },
  })
  const running = { ...row, wait: null, total: null, outcome: 'running' as const }
  expect(barOf(running, 400, 400)).toMatchObject({ waitWidth: '75.00%', moveWidth: '0.00%' })
})

test('the history is stacked, and goes on to now', () => {
  const row = (...numbers: number[]): number[] => numbers
  const rows = { peer: row(1, 0), store: row(2, 4), origin: row(0, 8) }
  const traffic: TrafficSection = {
    ...{ bucketMs: 10_000, lastBucket: 101, bytes: rows, artifacts: rows },
  }
  const { times, own, stacked } = stackTraffic(traffic, 'bytes', 1_029_999)
  expect(times).toHaveLength(30)
  expect(times.at(-1)).toBe(1020)
  expect(own.store.slice(-4)).toEqual([0, 2, 4, 0])
  expect(stacked.origin.slice(-4)).toEqual([0, 3, 12, 0])
})

test('peers keep their places, and no more are drawn than fit', () => {
  const peer = (id: string) => ({
    ...({ id, tier: 'near', transport: 'quic', address: '', artifacts: 0, rttMs: 1 } as const),
    ...{ gotBytes: 0, gaveBytes: 0, strikes: 0 },
  })
  const [a, b] = [peer('a'), peer('b')]
  expect(placePeers([b, a])).toEqual(placePeers([a, b]))
  expect(placePeers(Array.from({ length: 200 }, (_, n) => peer(`${n}`)))).toHaveLength(MAX_PLACED)
  expect([lineWidth(0), lineWidth(1), lineWidth(1e12)]).toEqual([0, 1, 5])
})
