import { once } from 'node:events'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { toTarballStream } from './tarball-stream.ts'

const options = { stallMs: 1_000 }

async function* pieces(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text)
}

async function* endless(): AsyncGenerator<Uint8Array> {
  for (;;) yield Buffer.alloc(64 * 1024)
}

beforeEach(() => vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
afterEach(() => vi.useRealTimers())

test('tells the length, then gives the bytes', async () => {
  const told: unknown[] = []
  const stream = toTarballStream(
    async () => ({ size: () => 11, body: pieces('hello ', 'world') }),
    options,
  )
  stream.on('content-length', (length) => told.push(length))
  stream.on('data', (chunk) => told.push(String(chunk)))
  await once(stream, 'end')
  expect(told).toEqual(['11', 'hello ', 'world'])
})

test('an error before the first byte comes without a length', async () => {
  async function* refused(): AsyncGenerator<Uint8Array> {
    yield* []
    throw new Error('other bytes')
  }
  const onLength = vi.fn()
  const stream = toTarballStream(async () => ({ size: () => 11, body: refused() }), options)
  stream.on('content-length', onLength)
  const [error] = (await once(stream, 'error')) as [Error]
  expect(error.message).toBe('other bytes')
  expect(onLength).not.toHaveBeenCalled()
})

test('an error that nobody listens to does not end the process', async () => {
  const stream = toTarballStream(() => Promise.reject(new Error('nobody hears it')), options)
  await new Promise((resolve) => stream.once('close', resolve))
  expect(stream.errored?.message).toBe('nobody hears it')
})

test('a reader that takes nothing is given up, with its source', async () => {
  let given: AbortSignal | undefined
  const stream = toTarballStream(async ({ signal }) => {
    given = signal
    return { size: () => undefined, body: endless() }
  }, options)
  const failed = once(stream, 'error')
  await once(stream, 'readable')
  await vi.advanceTimersByTimeAsync(options.stallMs)
  const [error] = (await failed) as [Error]
  expect(error.message).toBe('nobody took the tarball for 1000 ms')
  expect(given?.aborted).toBe(true)
})

test('closing the stream lets the source go', async () => {
  let given: AbortSignal | undefined
  const stream = toTarballStream(async ({ signal }) => {
    given = signal
    return { size: () => undefined, body: endless() }
  }, options)
  await once(stream, 'readable')
  stream.destroy()
  await once(stream, 'close')
  expect(given?.aborted).toBe(true)
})
