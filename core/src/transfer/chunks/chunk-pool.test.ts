import { describe, expect, test } from 'vitest'
import { restNow } from '../../disk/at-rest.ts'
import { createChunkPool, isPooled } from './chunk-pool.ts'

const CHUNK = 1024 * 1024

describe('createChunkPool', () => {
  test('lends buffers of chunk size, as many as its memory allows', () => {
    const pool = createChunkPool({ chunkSize: CHUNK, maxBytes: 2 * CHUNK + 1024 })
    const first = pool.take(CHUNK + 10)
    expect(first?.byteLength).toBe(CHUNK + 10)
    expect(pool.take(CHUNK)).toBeDefined()
    expect(pool.take(CHUNK)).toBeUndefined()
  })

  test('lends again what was given back, by any view of it', () => {
    const pool = createChunkPool({ chunkSize: CHUNK, maxBytes: CHUNK + 1024 })
    const first = pool.take(CHUNK)
    if (first === undefined) throw new Error('nothing lent')
    pool.give(first.subarray(10, 20))
    expect(pool.take(CHUNK)?.buffer).toBe(first.buffer)
  })

  test('giving back twice lends it once', () => {
    const pool = createChunkPool({ chunkSize: CHUNK, maxBytes: CHUNK + 1024 })
    const first = pool.take(CHUNK)
    if (first === undefined) throw new Error('nothing lent')
    pool.give(first)
    pool.give(first)
    expect(pool.take(CHUNK)).toBeDefined()
    expect(pool.take(CHUNK)).toBeUndefined()
  })

  test('a rest leaves what is free to the collector, and what is lent to its user', () => {
    const pool = createChunkPool({ chunkSize: CHUNK, maxBytes: 2 * (CHUNK + 64) })
    const [first, second] = [pool.take(CHUNK), pool.take(CHUNK)]
    if (first === undefined || second === undefined) throw new Error('nothing lent')
    pool.give(first)
    restNow()
    const third = pool.take(CHUNK)
    expect(third?.buffer).not.toBe(first.buffer)
    expect(pool.take(CHUNK)).toBeUndefined()
    pool.give(second)
    expect(pool.take(CHUNK)?.buffer).toBe(second.buffer)
    pool.close()
  })

  test('neither small nor larger sizes, nor anybody else’s buffers', () => {
    const pool = createChunkPool({ chunkSize: CHUNK, maxBytes: 4 * CHUNK })
    expect(pool.take(1000)).toBeUndefined()
    expect(pool.take(2 * CHUNK)).toBeUndefined()
    const stranger = Buffer.alloc(CHUNK)
    pool.give(stranger)
    pool.give(Buffer.from(new SharedArrayBuffer(CHUNK)))
    expect(pool.take(CHUNK)?.buffer).not.toBe(stranger.buffer)
    expect(isPooled(stranger)).toBe(false)
  })
})
