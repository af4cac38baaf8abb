import { describe, expect, test } from 'vitest'
import { isCatalogError } from '../errors.ts'
import { createInboundQueue } from '../host/inbound-queue.ts'
import { createFrameSplitter, eachFrame, encodeFrame, readFrames } from './frames.ts'

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)
const misbehaved = expect.toSatisfy((error: unknown) => isCatalogError(error, 'PEER_MISBEHAVED'))

function thrownBy(act: () => unknown): unknown {
  try {
    act()
  } catch (error) {
    return error
  }
  throw new Error('nothing was thrown')
}

describe('encodeFrame', () => {
  test('puts the length of all parts in front', () => {
    const frame = encodeFrame(bytes(1, 2), bytes(), bytes(3))
    expect([...frame]).toEqual([0, 0, 0, 3, 1, 2, 3])
  })
})

describe('createFrameSplitter', () => {
  // A buffer of its own: small ones of Buffer share one.
  const stream = Uint8Array.from([
    ...encodeFrame(bytes(1)),
    ...encodeFrame(bytes(2, 3, 4)),
    ...encodeFrame(new Uint8Array(300).fill(5)),
  ])
  const expected = [[1], [2, 3, 4], Array.from({ length: 300 }, () => 5)]

  test.each([1, 2, 3, 4, 5, 7, 16, stream.length])(
    'finds the frames in reads of %i bytes',
    (size) => {
      const splitter = createFrameSplitter(300)
      const frames: number[][] = []
      for (let offset = 0; offset < stream.length; offset += size) {
        for (const frame of splitter.push(stream.subarray(offset, offset + size))) {
          frames.push([...frame])
        }
      }
      splitter.end()
      expect(frames).toEqual(expected)
    },
  )

  test('gives views where a frame is whole in one read, and copies where it is not', () => {
    const splitter = createFrameSplitter(300)
    const [whole] = splitter.push(stream.subarray(0, 5 + 4 + 2))
    expect(whole?.buffer).toBe(stream.buffer)
    const [joined] = splitter.push(stream.subarray(11, 12))
    expect(joined?.buffer).not.toBe(stream.buffer)
  })

  test('takes a frame of exactly the most, refuses one byte more before its body comes', () => {
    expect(createFrameSplitter(3).push(encodeFrame(bytes(1, 2, 3)))).toHaveLength(1)
    expect(thrownBy(() => createFrameSplitter(3).push(bytes(0, 0, 0, 4)))).toEqual(misbehaved)
  })

  test('refuses the longest length without allocating it', () => {
    const before = process.memoryUsage().arrayBuffers
    expect(thrownBy(() => createFrameSplitter(64).push(bytes(255, 255, 255, 255)))).toEqual(
      misbehaved,
    )
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1024 * 1024)
  })

  test('refuses an empty frame, in one read and in pieces', () => {
    expect(thrownBy(() => createFrameSplitter(64).push(bytes(0, 0, 0, 0, 1)))).toEqual(misbehaved)
    const splitter = createFrameSplitter(64)
    splitter.push(bytes(0, 0, 0))
    expect(thrownBy(() => splitter.push(bytes(0)))).toEqual(misbehaved)
  })

  test.each([1, 3, 4, 5])('an end after %i bytes of a frame is a truncated frame', (count) => {
    const splitter = createFrameSplitter(64)
    splitter.push(encodeFrame(bytes(1, 2)).subarray(0, count))
    expect(thrownBy(() => splitter.end())).toEqual(misbehaved)
  })

  test('an end between frames is an end', () => {
    const splitter = createFrameSplitter(64)
    splitter.end()
    splitter.push(encodeFrame(bytes(1)))
    splitter.end()
  })
})

describe('readFrames', () => {
  async function* reads(...parts: Uint8Array[]): AsyncGenerator<Uint8Array> {
    yield* parts
  }

  test('batches the frames that one read completed', async () => {
    const one = encodeFrame(bytes(1))
    const batches: number[] = []
    const source = reads(Buffer.concat([one, one, one.subarray(0, 2)]), one.subarray(2), one)
    for await (const batch of readFrames(source, { maxFrameBytes: 8 })) batches.push(batch.length)
    expect(batches).toEqual([2, 1, 1])
  })

  test('closes the source when it refuses a frame', async () => {
    let closed = false
    async function* source(): AsyncGenerator<Uint8Array> {
      try {
        yield bytes(0, 0, 0, 9)
        throw new Error('read on after the refusal')
      } finally {
        closed = true
      }
    }
    await expect(readFrames(source(), { maxFrameBytes: 8 }).next()).rejects.toEqual(misbehaved)
    expect(closed).toBe(true)
  })

  test('passes on the failure of the source', async () => {
    async function* source(): AsyncGenerator<Uint8Array> {
      yield bytes(0, 0)
      throw new Error('reset')
    }
    await expect(readFrames(source(), { maxFrameBytes: 8 }).next()).rejects.toThrow('reset')
  })
})

describe('eachFrame', () => {
  const stream = Buffer.concat([
    encodeFrame(bytes(1)),
    encodeFrame(bytes(2, 3)),
    encodeFrame(bytes(4)),
  ])

  test.each([1, 3, 7, stream.length])(
    'hands out bodies that stay as they are, of reads of %i bytes that do not',
    async (size) => {
      const queue = createInboundQueue({
        maxBytes: 1000,
        onOverflow: () => undefined,
        isLent: true,
      })
      const frames: Uint8Array[] = []
      let read = 0
      const options = { maxFrameBytes: 8, onRead: (count: number) => (read += count) }
      const over = eachFrame(queue, options, (frame) => frames.push(frame))
      const lent = Buffer.alloc(size)
      for (let from = 0; from < stream.length; from += size) {
        queue.push(lent.subarray(0, stream.copy(lent, 0, from, from + size)))
        lent.fill(9)
      }
      queue.end()
      await over
      expect(frames.map((frame) => [...frame])).toEqual([[1], [2, 3], [4]])
      expect(read).toBe(stream.length)
    },
  )

  test('does not copy what is not lent, and rejects with what its reader throws', async () => {
    const queue = createInboundQueue({ maxBytes: 1000, onOverflow: () => undefined })
    const seen: Uint8Array[] = []
    const over = eachFrame(queue, { maxFrameBytes: 8 }, (frame) => {
      seen.push(frame)
      if (seen.length === 2) throw new Error('enough')
    })
    queue.push(stream)
    await expect(over).rejects.toThrow('enough')
    expect(seen.map((frame) => [...frame])).toEqual([[1], [2, 3]])
    expect(seen.every(({ buffer }) => buffer === stream.buffer)).toBe(true)
  })

  test('an end inside a frame is misbehaviour', async () => {
    const queue = createInboundQueue({ maxBytes: 1000, onOverflow: () => undefined })
    const over = eachFrame(queue, { maxFrameBytes: 8 }, () => undefined)
    queue.push(bytes(0, 0))
    queue.end()
    await expect(over).rejects.toEqual(misbehaved)
  })
})
