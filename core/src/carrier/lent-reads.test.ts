/** One buffer for all that is read: what became of it when somebody takes it late. */
import { expect, test } from 'vitest'
import { LentReads } from './lent-reads.ts'

test('what comes before anybody takes it is kept, and no more of it is read', () => {
  const reads = new LentReads()
  const { buffer, callback } = reads.onread
  const arrive = (text: string): boolean => {
    buffer.set(Buffer.from(text))
    return callback(text.length, buffer)
  }
  expect(arrive('one')).toBe(false)
  expect(arrive('two')).toBe(false)
  const taken: string[] = []
  const lent: unknown[] = []
  reads.to((bytes) => {
    taken.push(Buffer.from(bytes).toString())
    lent.push(bytes.buffer)
  })
  expect(arrive('three')).toBe(true)
  expect(taken).toEqual(['one', 'two', 'three'])
  expect(lent.map((each) => each === buffer.buffer)).toEqual([false, false, true])
})
