import { expect, test } from 'vitest'
import { remembered } from './remembered.ts'

test('makes one answer of each text, and remembers few and short ones', () => {
  const asked: (string | undefined)[] = []
  const isShort = remembered((text) => {
    asked.push(text)
    return (text?.length ?? 0) < 3
  })
  for (const text of ['a', 'long', undefined]) {
    const first = isShort(text)
    expect(isShort(text)).toBe(first)
  }
  expect([isShort('a'), isShort('long'), isShort(undefined)]).toEqual([true, false, true])
  expect(asked).toEqual(['a', 'long', undefined])
  const endless = 'x'.repeat(301)
  for (let times = 0; times < 2; times += 1) isShort(endless)
  expect(asked.filter((text) => text === endless)).toHaveLength(2)
  for (let each = 0; each < 64; each += 1) isShort(`text ${each}`)
  isShort('a')
  expect(asked.filter((text) => text === 'a')).toHaveLength(2)
})
