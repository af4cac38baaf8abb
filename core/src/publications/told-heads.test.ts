/** When heads are announced, and which. */
import { expect, test } from 'vitest'
import { nameKeyOf, type NameKey } from '../content/name-key.ts'
import { silentLogger as log } from '../log.ts'
import { createTold } from './told-heads.ts'

test('heads are answered for at once, and announced when the start is over, but for those forgotten meanwhile', async () => {
  const keys = Array.from({ length: 500 }, (_, index) =>
    nameKeyOf({ registry: 'test', name: `head-${index}`, version: '1.0.0' }),
  )
  const kept = new Set(keys)
  const happened: (NameKey | string)[] = []
  const answering = { start: () => undefined, stop: async () => void happened.push('stopped') }
  const { start, stop } = createTold({
    book: {
      keys: (origin) => (origin === 'own' ? keys : []),
      has: (key) => kept.has(key),
      ...{ get: () => undefined, nameOf: () => undefined },
    },
    isPrivate: undefined,
    questions: {
      announce: (key) => void happened.push(key),
      answer({ id }) {
        happened.push(id)
        return answering
      },
    },
    log,
  })
  const starting = start()
  const [gone] = keys.slice(450)
  if (gone !== undefined) kept.delete(gone)
  await starting
  await stop()
  const announced = keys.filter((key) => key !== gone)
  expect(happened).toEqual(['/catalog/heads/1.0.0', ...announced, 'stopped'])
})
