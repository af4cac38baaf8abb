import { describe, expect, test } from 'vitest'
import { ValueKinds } from './value-kinds.ts'

const KEY = '/kind/id'
const bytes = (text: string): Uint8Array => Buffer.from(text)

function kinds(): { kinds: ValueKinds; checked: string[] } {
  const checked: string[] = []
  const all = new ValueKinds()
  all.add({
    prefix: 'kind',
    validate(_key, value) {
      checked.push(Buffer.from(value).toString())
      if (value[0] === bytes('!')[0]) throw new Error('forged')
    },
    select: (_key, values) => values.length - 1,
  })
  return { kinds: all, checked }
}

describe('collected answers', () => {
  test('are checked once each, valid or not, however often the best is asked for', async () => {
    const { kinds: all, checked } = kinds()
    const answers = all.collect(KEY)
    for (const text of ['!a', 'b', '!a', '!c', 'b', 'd', '!c']) {
      await answers.add({ value: bytes(text), heldMs: 1 })
      answers.best()
    }
    expect(checked).toEqual(['!a', 'b', '!c', 'd'])
    expect(answers.best()).toEqual({ value: bytes('d'), heldMs: [1] })
  })

  test('none of which is valid have no best one', async () => {
    const answers = kinds().kinds.collect(KEY)
    await answers.add({ value: bytes('!') })
    expect(answers.best()).toBeUndefined()
  })

  test('of a key of no kind are a mistake', () => {
    expect(() => kinds().kinds.collect('/other/id')).toThrow('no kind of values')
  })
})
