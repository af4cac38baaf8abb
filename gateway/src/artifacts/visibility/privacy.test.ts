import { expect, test } from 'vitest'
import { createMarkOf, createPrivateNames } from './privacy.ts'

test('the most specific mark wins, and a scope that is listed as both is shared', () => {
  const marks = {
    privateScopes: ['@Corp/secret', '@both', '@home'],
    shareScopes: ['@corp', '@both', '@home/open'],
  }
  const markOf = createMarkOf(marks)
  const isPrivate = createPrivateNames(marks)
  for (const [name, mark] of [
    ['@corp/secret', 'private'],
    ['@CORP/other', 'shared'],
    ['@both/x', 'shared'],
    ['@home/x', 'private'],
    ['@home/open', 'shared'],
    ['@hom/x', undefined],
    ['open', undefined],
  ] as const) {
    expect([name, markOf(name)]).toEqual([name, mark])
    expect(isPrivate(name)).toBe(mark === 'private')
  }
})
