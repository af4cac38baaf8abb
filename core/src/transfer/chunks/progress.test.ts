import { describe, expect, test } from 'vitest'
import { createProgress } from './progress.ts'

describe('createProgress', () => {
  test('counts from when a peer is first seen', () => {
    const received = new Map([['a', 1000]])
    const progress = createProgress((peer) => received.get(peer) ?? 0)
    expect(progress.total(['a'])).toBe(0)
    received.set('a', 1500)
    expect(progress.total(['a'])).toBe(500)
  })

  test('a peer that leaves takes nothing back, and one that comes again begins anew', () => {
    const received = new Map([
      ['a', 0],
      ['b', 0],
    ])
    const progress = createProgress((peer) => received.get(peer) ?? 0)
    progress.total(['a', 'b'])
    received.set('a', 700).set('b', 20)
    expect(progress.total(['a', 'b'])).toBe(720)
    received.delete('a')
    received.set('b', 30)
    expect(progress.total(['b'])).toBe(730)
    received.set('a', 5)
    expect(progress.total(['b'])).toBe(735)
  })
})
