import { expect, test } from 'vitest'
import { createAskOnce } from './ask-once.ts'

test('is asked once for each key, whoever asks', async () => {
  const askOnce = createAskOnce<number>()
  let count = 0
  const ask = () => Promise.resolve((count += 1))
  expect(await Promise.all([askOnce('a', ask), askOnce('a', ask), askOnce('b', ask)])).toEqual([
    1, 1, 2,
  ])
  expect(await askOnce('a', ask)).toBe(1)
})

test('a failure is for those who waited, and not for the next', async () => {
  const askOnce = createAskOnce<string>()
  const fails = () => Promise.reject(new Error('busy'))
  const never = () => Promise.resolve('asked twice')
  const both = await Promise.allSettled([askOnce('a', fails), askOnce('a', never)])
  expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  expect(await askOnce('a', () => Promise.resolve('well'))).toBe('well')
})
