import { expect, test } from 'vitest'
import { HintList } from './hint-list.ts'

const many = (count: number) =>
  Array.from({ length: count }, (_, i) => ({ name: `p${i}`, version: '1.0.0' }))
const drain = (list: HintList, nowMs: number): string[] => {
  const names: string[] = []
  for (let hint = list.next(nowMs); hint !== undefined; hint = list.next(nowMs)) {
    names.push(hint.name)
  }
  return names
}

test('gives nothing out before the client asks for something of it', () => {
  const list = new HintList(many(10), 0)
  expect(list.next(0)).toBeUndefined()
  expect(list.claim('other@1.0.0', 0)).toBeUndefined()
  expect(list.next(0)).toBeUndefined()
  expect(list.claim('p4@1.0.0', 0)).toBe('listed')
  expect(drain(list, 0)).toEqual(['p0'])
})

test('is never further ahead than the client has asked', () => {
  const list = new HintList(many(200), 0)
  for (const name of ['p9', 'p8', 'p7']) list.claim(`${name}@1.0.0`, 0)
  expect(drain(list, 0)).toEqual(['p0', 'p1', 'p2'])
  for (const name of ['p0', 'p1', 'p2']) list.done(`${name}@1.0.0`, 'fetched')
  expect(drain(list, 0)).toEqual([])
  // What it asks for makes room twice: it is not ahead any more, and the client has asked for more.
  expect(list.claim('p1@1.0.0', 0)).toBe('ahead')
  expect(drain(list, 0)).toEqual(['p3', 'p4'])
})

test('has a bound that no client moves', () => {
  const list = new HintList(many(500), 0)
  for (let i = 499; i >= 300; i -= 1) list.claim(`p${i}@1.0.0`, 0)
  expect(drain(list, 0)).toHaveLength(64)
})

test('stops when the client goes silent, and goes on with it', () => {
  const list = new HintList(many(10), 0)
  list.claim('p9@1.0.0', 1_000)
  expect(list.next(6_001)).toBeUndefined()
  list.claim('p8@1.0.0', 7_000)
  expect(drain(list, 7_001)).toEqual(['p0', 'p1'])
})

test('what was not worth fetching takes no room; failures end it', () => {
  const list = new HintList(many(30), 0)
  list.claim('p29@1.0.0', 0)
  for (let i = 0; i < 5; i += 1) {
    expect(list.next(0)?.name).toBe(`p${i}`)
    list.done(`p${i}@1.0.0`, 'skipped')
  }
  for (let i = 5; i < 13; i += 1) {
    expect(list.next(0)?.name).toBe(`p${i}`)
    list.done(`p${i}@1.0.0`, 'failed')
  }
  expect(list.next(0)).toBeUndefined()
})
