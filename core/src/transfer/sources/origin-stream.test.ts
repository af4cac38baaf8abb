import { afterAll, describe, expect, test } from 'vitest'
import { blob, CHUNK_SIZE } from '../../../../test/support/blobs.ts'
import { readAll } from '../../../../test/support/read-all.ts'
import type { Origin } from '../../api.ts'
import { chunkCount } from '../../content/chunking.ts'
import { describeBytes } from '../../content/manifest.ts'
import { isCatalogError, type ErrorCode } from '../../errors.ts'
import { silentLogger } from '../../log.ts'
import { createAssembly } from '../chunks/chunk-assembly.ts'
import type { Assembly } from '../chunks/assembly.ts'
import { createHasher } from '../chunks/hasher.ts'
import { createMemoryPartial } from '../chunks/memory-partial.ts'
import { feedAssembly, openOrigin } from './origin-stream.ts'

const small = blob(5000)
const large = blob(4 * CHUNK_SIZE + 3)
const made = describeBytes(large.digest, large.bytes, CHUNK_SIZE)
const never = new AbortController().signal
const options = { smallBytes: CHUNK_SIZE, signal: never }
const withCode = (code: ErrorCode) =>
  expect.toSatisfy((error: unknown) => isCatalogError(error, code))

const hasher = createHasher()
afterAll(async () => hasher.stop())

async function* pieces(bytes: Uint8Array, piece = 1000): AsyncGenerator<Uint8Array> {
  for (let offset = 0; offset < bytes.byteLength; offset += piece) {
    yield bytes.subarray(offset, offset + piece)
  }
}

function origin(body: AsyncIterable<Uint8Array>, size?: number): Origin {
  return {
    visibility: 'public',
    open: async () => (size === undefined ? { body } : { body, size }),
  }
}

/** A body that never goes on after its first bytes, and heeds no signal. */
function stuckBody(): { body: AsyncIterable<Uint8Array>; reading: Promise<void> } {
  const reading = Promise.withResolvers<void>()
  const body = (async function* () {
    yield Buffer.from('first')
    reading.resolve()
    await new Promise(() => undefined)
  })()
  return { body, reading: reading.promise }
}

describe('openOrigin', () => {
  test('a small artifact is collected and verified, with and without a size', async () => {
    for (const size of [5000, undefined]) {
      const result = await openOrigin(origin(pieces(small.bytes), size), small.digest, options)
      if (result.kind !== 'whole') throw new Error('not whole')
      expect(Buffer.compare(result.bytes, small.bytes)).toBe(0)
    }
  })

  test('a large one is a stream', async () => {
    const { byteLength } = large.bytes
    const result = await openOrigin(origin(pieces(large.bytes), byteLength), large.digest, options)
    if (result.kind !== 'stream') throw new Error('no stream')
    expect(Buffer.compare(await readAll(result.body), large.bytes)).toBe(0)
  })

  test.each<[string, Uint8Array, number | undefined, ErrorCode]>([
    ['other bytes', blob(5000, 9).bytes, 5000, 'DIGEST_MISMATCH'],
    ['other bytes of unknown length', blob(4000, 9).bytes, undefined, 'DIGEST_MISMATCH'],
    ['too few bytes', small.bytes.subarray(1), 5000, 'UPSTREAM_UNREACHABLE'],
    ['too many bytes', small.bytes, 4999, 'UPSTREAM_REJECTED'],
  ])('%s', async (_, bytes, size, code) => {
    const opening = openOrigin(origin(pieces(bytes), size), small.digest, options)
    await expect(opening).rejects.toEqual(withCode(code))
  })

  test('its own error is passed on, from the head and from the body', async () => {
    const failure = new Error('404')
    const head: Origin = { visibility: 'public', open: async () => Promise.reject(failure) }
    await expect(openOrigin(head, small.digest, options)).rejects.toBe(failure)
    const body = (async function* () {
      yield Buffer.from('a')
      throw failure
    })()
    await expect(openOrigin(origin(body, 5), small.digest, options)).rejects.toBe(failure)
  })

  test('a body that is stuck ends with the signal all the same', async () => {
    const stop = new AbortController()
    const reason = new Error('stopped')
    const { body, reading } = stuckBody()
    const opening = openOrigin(origin(body, 5000), small.digest, {
      ...options,
      signal: stop.signal,
    })
    await reading
    stop.abort(reason)
    await expect(opening).rejects.toBe(reason)
  })

  test('a body that is not read to its end is closed', async () => {
    let closed = false
    const body = (async function* () {
      try {
        for (;;) yield Buffer.alloc(4000)
      } finally {
        closed = true
      }
    })()
    await expect(openOrigin(origin(body, 5000), small.digest, options)).rejects.toThrow('more than')
    await new Promise(setImmediate)
    expect(closed).toBe(true)
  })
})

function assemble(): Assembly {
  return createAssembly(made.manifest, undefined, {
    partial: createMemoryPartial(made.manifest),
    job: hasher.open({
      chunks: chunkCount(large.bytes.byteLength, CHUNK_SIZE),
      leaves: undefined,
    }),
    log: silentLogger,
    memoryBytes: () => 1e9,
  })
}

describe('feedAssembly', () => {
  test('to its end', async () => {
    const assembly = assemble()
    const reading = readAll(assembly.read())
    await feedAssembly(assembly, pieces(large.bytes))
    expect(Buffer.compare(await reading, large.bytes)).toBe(0)
  })

  test('an early end is told as such', async () => {
    const assembly = assemble()
    await expect(feedAssembly(assembly, pieces(large.bytes.subarray(1)))).rejects.toEqual(
      withCode('UPSTREAM_UNREACHABLE'),
    )
    await assembly.fail(new Error('over'), { keep: false })
  })

  test('other bytes are a mismatch', async () => {
    const assembly = assemble()
    const other = blob(large.bytes.byteLength, 3).bytes
    await expect(feedAssembly(assembly, pieces(other))).rejects.toEqual(withCode('DIGEST_MISMATCH'))
  })
})
