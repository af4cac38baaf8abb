import { describe, expect, test } from 'vitest'
import type { ByteStream } from '../../host/host.ts'
import { createInboundQueue } from '../../host/inbound-queue.ts'
import { createOutbox } from './outbox.ts'

const turn = (): Promise<void> => new Promise(setImmediate)

/** A stream whose writes end when the test says so. */
function slowStream(): { stream: ByteStream; written: string[]; next: (error?: Error) => void } {
  const written: string[] = []
  let ends: PromiseWithResolvers<void> | undefined
  const stream: ByteStream = {
    peer: 'p',
    protocol: '/x',
    source: createInboundQueue({ maxBytes: 0, onOverflow: () => undefined }),
    write(bytes) {
      if (ends !== undefined) throw new Error('two writes at once')
      written.push(Buffer.from(bytes).toString())
      ends = Promise.withResolvers()
      return ends.promise
    },
    end: () => Promise.resolve(),
    abort: () => undefined,
  }
  const next = (error?: Error): void => {
    const ended = ends
    ends = undefined
    if (error === undefined) ended?.resolve()
    else ended?.reject(error)
  }
  return { stream, written, next }
}

describe('createOutbox', () => {
  test('one write at a time, in order; what comes meanwhile goes together', async () => {
    const { stream, written, next } = slowStream()
    const outbox = createOutbox(stream, (error) => expect.unreachable(String(error)))
    for (const text of ['a', 'b']) outbox.send(Buffer.from(text))
    await turn()
    for (const text of ['c', 'd', 'e']) outbox.send(Buffer.from(text))
    await turn()
    expect(written).toEqual(['ab'])
    next()
    await turn()
    expect(written).toEqual(['ab', 'cde'])
    next()
    await turn()
    outbox.send(Buffer.from('f'))
    await turn()
    expect(written).toEqual(['ab', 'cde', 'f'])
  })

  test('nothing is lost that is sent in the turn in which the last write ends', async () => {
    const { stream, written, next } = slowStream()
    const outbox = createOutbox(stream, (error) => expect.unreachable(String(error)))
    for (let hops = 0; hops < 8; hops++) {
      outbox.send(Buffer.from('x'))
      await turn()
      next()
      for (let hop = 0; hop < hops; hop++) await Promise.resolve()
      outbox.send(Buffer.from('y'))
      await turn()
      next()
      await turn()
    }
    expect(written.join('')).toBe('xy'.repeat(8))
  })

  test('a failed write is told once, and nothing is sent afterwards', async () => {
    const { stream, written, next } = slowStream()
    const failures: unknown[] = []
    const outbox = createOutbox(stream, (error) => failures.push(error))
    outbox.send(Buffer.from('a'))
    await turn()
    outbox.send(Buffer.from('b'))
    const reset = new Error('reset')
    next(reset)
    await turn()
    outbox.send(Buffer.from('c'))
    await turn()
    expect(failures).toEqual([reset])
    expect(written).toEqual(['a'])
  })
})
