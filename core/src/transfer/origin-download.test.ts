import { afterAll, describe, expect, test } from 'vitest'
import { blob, CHUNK_SIZE } from '../../../test/support/blobs.ts'
import { readAll } from '../../../test/support/read-all.ts'
import type { Origin } from '../api.ts'
import { chunkCount } from '../content/chunking.ts'
import { describeBytes } from '../content/manifest.ts'
import { isCatalogError, type ErrorCode } from '../errors.ts'
import { silentLogger } from '../log.ts'
import { createAssembly, type Assembly } from './assembly.ts'
import { createHasher } from './hasher.ts'
import { createMemoryPartial } from './memory-partial.ts'
import { completeAssembly, feedAssembly, openOrigin } from './origin-download.ts'

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

function assemble(leaves: Uint8Array): Assembly {
  return createAssembly(made.manifest, leaves, {
    partial: createMemoryPartial(made.manifest, leaves),
    job: hasher.open({
      chunks: chunkCount(large.bytes.byteLength, CHUNK_SIZE),
      leaves: leaves.byteLength > 0 ? leaves : undefined,
    }),
    log: silentLogger,
    memoryBytes: () => 1e9,
  })
}

describe('feedAssembly', () => {
  test('to its end', async () => {
    const assembly = assemble(new Uint8Array(0))
    const reading = readAll(assembly.read())
    await feedAssembly(assembly, pieces(large.bytes))
    expect(Buffer.compare(await reading, large.bytes)).toBe(0)
  })

  test('an early end is told as such', async () => {
    const assembly = assemble(new Uint8Array(0))
    await expect(feedAssembly(assembly, pieces(large.bytes.subarray(1)))).rejects.toEqual(
      withCode('UPSTREAM_UNREACHABLE'),
    )
    await assembly.fail(new Error('over'), { keep: false })
  })

  test('other bytes are a mismatch', async () => {
    const assembly = assemble(new Uint8Array(0))
    const other = blob(large.bytes.byteLength, 3).bytes
    await expect(feedAssembly(assembly, pieces(other))).rejects.toEqual(withCode('DIGEST_MISMATCH'))
  })
})

describe('completeAssembly', () => {
  test.each([[[]], [[0]], [[1, 3]], [[0, 1, 2, 4]], [[0, 1, 2, 3]]])(
    'gives what is missing beside chunks %j',
    async (there) => {
      const assembly = assemble(made.leaves)
      const reading = readAll(assembly.read())
      for (const index of there) {
        const start = index * CHUNK_SIZE
        await assembly.add(index, large.bytes.subarray(start, start + CHUNK_SIZE))
      }
      await completeAssembly(assembly, pieces(large.bytes, 7777))
      expect(Buffer.compare(await reading, large.bytes)).toBe(0)
    },
  )

  test('other bytes than the leaves say, too many, too few', async () => {
    const attempt = async (bytes: Uint8Array): Promise<void> => {
      const assembly = assemble(made.leaves)
      try {
        await completeAssembly(assembly, pieces(bytes))
      } finally {
        await assembly.fail(new Error('over'), { keep: false })
      }
    }
    const { byteLength } = large.bytes
    await expect(attempt(blob(byteLength, 3).bytes)).rejects.toEqual(withCode('UPSTREAM_REJECTED'))
    await expect(attempt(large.bytes.subarray(0, byteLength - 1))).rejects.toEqual(
      withCode('UPSTREAM_UNREACHABLE'),
    )
    await expect(attempt(Buffer.concat([large.bytes, Buffer.of(0)]))).rejects.toEqual(
      withCode('UPSTREAM_REJECTED'),
    )
  })
})
