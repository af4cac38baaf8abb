import { PassThrough } from 'node:stream'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createUplinkSource } from './uplink-source.ts'
import type { TarballStream } from './verdaccio.ts'

const SILENCE_MS = 1_000
const never = new AbortController().signal

function world() {
  const stream: TarballStream = Object.assign(new PassThrough(), { abort: () => undefined })
  const cancel = vi.fn()
  const source = createUplinkSource(() => ({ stream, cancel }), { silenceMs: SILENCE_MS })
  return { stream: stream as TarballStream & PassThrough, cancel, source }
}

async function collect(body: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = []
  for await (const part of body) parts.push(part)
  return Buffer.concat(parts).toString()
}

describe('an uplink', () => {
  test('with a length and bytes', async () => {
    const { stream, source, cancel } = world()
    const opening = source.open({ signal: never })
    stream.emit('content-length', '11')
    stream.write('hello ')
    const { size, body } = await opening
    expect(size).toBe(11)
    const reading = collect(body)
    stream.end('world')
    expect(await reading).toBe('hello world')
    expect(cancel).not.toHaveBeenCalled()
  })

  test.each([[undefined], ['nonsense'], ['-1']])('with %j for a length', async (length) => {
    const { stream, source } = world()
    const opening = source.open({ signal: never })
    if (length !== undefined) stream.emit('content-length', length)
    stream.end('hello')
    const { size, body } = await opening
    expect(size).toBeUndefined()
    expect(await collect(body)).toBe('hello')
  })

  test('with nothing at all', async () => {
    const { stream, source } = world()
    const opening = source.open({ signal: never })
    stream.end()
    expect(await collect((await opening).body)).toBe('')
  })

  test('that fails before its head', async () => {
    const { stream, source, cancel } = world()
    const opening = source.open({ signal: never })
    const gone = Object.assign(new Error('no such file'), { status: 404 })
    stream.emit('error', gone)
    await expect(opening).rejects.toBe(gone)
    expect(cancel).toHaveBeenCalled()
  })

  test('that fails in the middle, and once more when nobody listens', async () => {
    const { stream, source } = world()
    const opening = source.open({ signal: never })
    stream.emit('content-length', '100')
    stream.write('some')
    const reading = collect((await opening).body)
    stream.emit('error', new Error('content mismatch'))
    await expect(reading).rejects.toThrow('content mismatch')
    expect(() => stream.emit('error', new Error('late'))).not.toThrow()
  })

  test('that is closed in the middle', async () => {
    const { stream, source } = world()
    const opening = source.open({ signal: never })
    stream.write('some')
    const { body } = await opening
    stream.destroy()
    await expect(collect(body)).rejects.toThrow('closed the connection early')
  })

  test('that nobody wants any more', async () => {
    const { stream, source, cancel } = world()
    const wish = new AbortController()
    const opening = source.open({ signal: wish.signal })
    stream.emit('content-length', '100')
    const reading = collect((await opening).body)
    wish.abort(new Error('a peer was quicker'))
    await expect(reading).rejects.toThrow('a peer was quicker')
    expect(cancel).toHaveBeenCalled()
  })
})

describe('silence', () => {
  beforeEach(() => vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
  afterEach(() => vi.useRealTimers())

  test('before the head ends it', async () => {
    const { source, cancel } = world()
    const opening = source.open({ signal: never })
    const failure = expect(opening).rejects.toThrow('nothing for 1000 ms')
    await vi.advanceTimersByTimeAsync(SILENCE_MS)
    await failure
    expect(cancel).toHaveBeenCalled()
  })

  test('in the middle ends it, but every byte begins it anew', async () => {
    const { stream, source } = world()
    const opening = source.open({ signal: never })
    stream.write('some')
    const { body } = await opening
    const iterator = body[Symbol.asyncIterator]()
    await iterator.next()
    for (const word of ['more', 'and more']) {
      const next = iterator.next()
      await vi.advanceTimersByTimeAsync(SILENCE_MS - 1)
      stream.write(word)
      expect(String((await next).value)).toBe(word)
    }
    const failure = expect(iterator.next()).rejects.toThrow('nothing for 1000 ms')
    await vi.advanceTimersByTimeAsync(SILENCE_MS)
    await failure
  })
})
