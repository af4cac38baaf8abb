import { expect, test } from 'vitest'
import { createUploadMemory, type Reader } from './upload-memory.ts'

const reader = (peer: string): Reader => ({ peer, group: `at ${peer}` })

function world() {
  const memory = createUploadMemory({ maxBytes: 100, maxBytesPerPeer: 60 })
  const open: (() => void)[] = []
  /** Held until `open` is called; undefined when it was not to be had. */
  const hold = (peer: string, bytes: number, group = `at ${peer}`): Promise<string> =>
    memory.hold(
      { peer, group },
      bytes,
      () => new Promise((resolve) => open.push(() => resolve('sent'))),
    )
  return { hold, open }
}

test('one peer has its share, all together have the whole, and what is sent is free again', async () => {
  const { hold, open } = world()
  const first = hold('a', 60)
  expect(await hold('a', 1)).toBe('busy')
  const second = hold('b', 40)
  expect(await hold('c', 1)).toBe('busy')
  expect(open).toHaveLength(2)
  open[0]?.()
  expect(await first).toBe('sent')
  const third = hold('a', 60)
  expect(open).toHaveLength(3)
  for (const each of open) each()
  expect(await Promise.all([second, third])).toEqual(['sent', 'sent'])
})

test('many ids of one address have half of the whole', async () => {
  const { hold, open } = world()
  const held = ['a', 'b', 'c', 'd', 'e'].map((peer) => hold(peer, 10, 'one address'))
  expect(await hold('f', 10, 'one address')).toBe('busy')
  const honest = hold('honest', 50)
  expect(open).toHaveLength(6)
  for (const each of open) each()
  expect(await Promise.all([...held, honest])).toEqual(Array(6).fill('sent'))
  const again = hold('f', 50, 'one address')
  open.at(-1)?.()
  expect(await again).toBe('sent')
})

test('what is larger than the bound goes alone', async () => {
  const { hold, open } = world()
  const large = hold('a', 500)
  expect(await hold('b', 1)).toBe('busy')
  open[0]?.()
  expect(await large).toBe('sent')
})

test('a failure frees it', async () => {
  const memory = createUploadMemory({ maxBytes: 10, maxBytesPerPeer: 10 })
  const failing = memory.hold(reader('a'), 10, () => Promise.reject(new Error('reset')))
  await expect(failing).rejects.toThrow('reset')
  expect(await memory.hold(reader('b'), 10, () => Promise.resolve('sent'))).toBe('sent')
})
