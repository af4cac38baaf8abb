import { describe, expect, it } from 'vitest'
import { createInboundQueue, type InboundQueue } from './inbound-queue.ts'

function create(maxBytes = 100_000): { queue: InboundQueue; overflows: () => number } {
  let overflowed = 0
  const queue = createInboundQueue({ maxBytes, onOverflow: () => (overflowed += 1) })
  return { queue, overflows: () => overflowed }
}

async function readAll(queue: InboundQueue): Promise<string> {
  const parts: Uint8Array[] = []
  for await (const part of queue) parts.push(part)
  return Buffer.concat(parts).toString()
}

describe('inbound queue', () => {
  it('hands on in order what came before and after the reader', async () => {
    const { queue } = create()
    queue.push(Buffer.from('a'))
    const read = readAll(queue)
    queue.push(Buffer.from('b'))
    await Promise.resolve()
    queue.push(Buffer.from('c'))
    queue.end()
    expect(await read).toBe('abc')
    expect(queue.queuedBytes).toBe(0)
  })

  it('keeps its order over thousands of reads', async () => {
    const { queue } = create(10_000_000)
    const expected = Array.from({ length: 5000 }, (_, index) => `${index},`)
    for (const text of expected) queue.push(Buffer.from(text))
    queue.end()
    expect(await readAll(queue)).toBe(expected.join(''))
  })

  it('says when it would hold more than its bound, and holds no more', () => {
    const { queue, overflows } = create(10_000)
    queue.push(Buffer.alloc(9_000))
    queue.push(Buffer.alloc(2_000))
    expect(overflows()).toBe(1)
    expect(queue.queuedBytes).toBeLessThanOrEqual(10_000)
  })

  it('counts what a read costs beside its bytes', () => {
    const { queue, overflows } = create(10_000)
    for (let count = 0; count < 100; count += 1) queue.push(Buffer.alloc(1))
    expect(overflows()).toBeGreaterThan(0)
  })

  it('drops what is queued when it fails, and tells the reader why', async () => {
    const { queue } = create()
    queue.push(Buffer.from('lost'))
    const reason = new Error('reset')
    queue.fail(reason)
    await expect(readAll(queue)).rejects.toBe(reason)
    expect(queue.queuedBytes).toBe(0)
  })

  it('wakes a waiting reader when it fails', async () => {
    const { queue } = create()
    const read = readAll(queue)
    const reason = new Error('reset')
    queue.fail(reason)
    await expect(read).rejects.toBe(reason)
  })

  it('drops what comes after its reader has left', async () => {
    const { queue, overflows } = create(1_000)
    queue.push(Buffer.from('x'))
    for await (const part of queue) {
      expect(part.byteLength).toBe(1)
      break
    }
    for (let count = 0; count < 10; count += 1) queue.push(Buffer.alloc(900))
    expect(queue.queuedBytes).toBe(0)
    expect(overflows()).toBe(0)
  })

  it('has one reader', () => {
    const { queue } = create()
    queue[Symbol.asyncIterator]()
    expect(() => queue[Symbol.asyncIterator]()).toThrow('read once')
  })

  describe('consumed', () => {
    it('is handed on at once, from what came before to the end', async () => {
      const { queue } = create()
      queue.push(Buffer.from('a'))
      let read = ''
      const over = queue.consume((bytes) => (read += Buffer.from(bytes).toString()))
      queue.push(Buffer.from('b'))
      expect(read).toBe('ab')
      expect(queue.queuedBytes).toBe(0)
      queue.end()
      await over
      expect(() => queue.consume(() => undefined)).toThrow('can be read once')
    })

    it('ends with the failure of the stream, or of its reader', async () => {
      const failing = create().queue
      const failed = failing.consume(() => undefined)
      failing.fail(new Error('reset'))
      await expect(failed).rejects.toThrow('reset')

      const { queue, overflows } = create(10)
      let reads = 0
      const refused = queue.consume(() => {
        reads += 1
        throw new Error('refused')
      })
      for (let count = 0; count < 3; count += 1) queue.push(Buffer.from('a'))
      await expect(refused).rejects.toThrow('refused')
      expect([reads, overflows(), queue.queuedBytes]).toEqual([1, 0, 0])
    })
  })

  it('keeps a copy of what is lent', async () => {
    const queue = createInboundQueue({
      maxBytes: 1000,
      onOverflow: () => undefined,
      isLent: true,
    })
    const lent = Buffer.from('a')
    const early = Buffer.from('x')
    queue.push(early)
    early.write('?')
    const read = readAll(queue)
    await new Promise(setImmediate)
    queue.push(lent)
    lent.write('?')
    queue.end()
    expect(await read).toBe('xa')
  })
})
