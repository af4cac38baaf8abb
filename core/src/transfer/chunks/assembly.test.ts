import { afterAll, describe, expect, test } from 'vitest'
import { blob, CHUNK_SIZE } from '../../../../test/support/blobs.ts'
import { createCollectingLogger } from '../../../../test/support/collecting-logger.ts'
import { readAll } from '../../../../test/support/read-all.ts'
import { until } from '../../../../test/support/until.ts'
import { chunkCount } from '../../content/chunking.ts'
import { describeBytes } from '../../content/manifest.ts'
import { CatalogError, isCatalogError } from '../../errors.ts'
import type { PartialArtifact } from '../../store/store.ts'
import { createAssembly } from './chunk-assembly.ts'
import type { Assembly } from './assembly.ts'
import { createHasher } from './hasher.ts'
import { createMemoryPartial } from './memory-partial.ts'

const HOLD_BACK = 64 * 1024
const SIZE = 6 * CHUNK_SIZE + 9
const { bytes, digest } = blob(SIZE)
const made = describeBytes(digest, bytes, CHUNK_SIZE)
const CHUNKS = chunkCount(SIZE, CHUNK_SIZE)
const chunk = (index: number): Uint8Array =>
  bytes.subarray(index * CHUNK_SIZE, (index + 1) * CHUNK_SIZE)
const bad = (index: number): Uint8Array => Uint8Array.from(chunk(index), (byte) => byte ^ 1)

const hasher = createHasher()
afterAll(async () => hasher.stop())

/** A partial in memory that tells what happened to it, and fails where the test says so. */
function watchedPartial(faults: Partial<PartialArtifact> = {}) {
  const inner = createMemoryPartial(made.manifest)
  const calls: string[] = []
  const written = new Map<number, Uint8Array>()
  const partial: PartialArtifact = {
    ...inner,
    hasChunk: inner.hasChunk,
    async writeChunk(index, given) {
      await inner.writeChunk(index, given)
      written.set(index, given)
    },
    async commit(options) {
      calls.push('commit')
      await inner.commit(options)
    },
    async suspend() {
      calls.push('suspend')
    },
    async discard() {
      calls.push('discard')
    },
    ...faults,
  }
  return { partial, calls, written }
}

function assemble(
  options: {
    partial?: PartialArtifact
    leaves?: Uint8Array | 'unknown'
    memoryBytes?: number
  } = {},
) {
  const { partial = watchedPartial().partial, memoryBytes = SIZE } = options
  const given = options.leaves ?? made.leaves
  const leaves = given === 'unknown' ? undefined : given
  const log = createCollectingLogger()
  const assembly = createAssembly(made.manifest, leaves, {
    partial,
    job: hasher.open({ chunks: CHUNKS, leaves }),
    log,
    memoryBytes: () => memoryBytes,
  })
  return { assembly, log }
}

async function addAll(assembly: Assembly, order: readonly number[]): Promise<void> {
  for (const index of order) expect(await assembly.add(index, chunk(index))).toBe(true)
}

/** Reads in the background; `bytes` grows as they come. */
function reading(assembly: Assembly): { bytes: number; done: Promise<unknown>; ended: boolean } {
  const state = { bytes: 0, ended: false, done: Promise.resolve() as Promise<unknown> }
  state.done = (async () => {
    for await (const part of assembly.read()) {
      expect(Buffer.compare(part, bytes.subarray(state.bytes, state.bytes + part.byteLength))).toBe(
        0,
      )
      state.bytes += part.byteLength
    }
    state.ended = true
  })().catch((error: unknown) => error)
  return state
}

describe('chunks from peers', () => {
  test.each([
    ['in order', [0, 1, 2, 3, 4, 5, 6]],
    ['backwards', [6, 5, 4, 3, 2, 1, 0]],
    ['in any order', [4, 6, 0, 2, 1, 5, 3]],
  ])('%s make the artifact, for any number of readers', async (_, order) => {
    const { partial, calls } = watchedPartial()
    const { assembly } = assemble({ partial })
    const readers = [readAll(assembly.read()), readAll(assembly.read())]
    await addAll(assembly, order)
    await assembly.verified
    expect(assembly.isVerified).toBe(true)
    for (const read of [...readers, readAll(assembly.read())]) {
      expect(Buffer.compare(await read, bytes)).toBe(0)
    }
    expect(calls).toEqual(['commit'])
    await assembly.closed
  })

  test('one that does not match its leaf, or its length, is dropped', async () => {
    const { partial, written } = watchedPartial()
    const { assembly } = assemble({ partial })
    expect(await assembly.add(0, bad(0))).toBe(false)
    expect(await assembly.add(0, chunk(0).subarray(1))).toBe(false)
    expect(await assembly.add(6, chunk(0))).toBe(false)
    expect(assembly.has(0)).toBe(false)
    expect(written.size).toBe(0)
    await addAll(assembly, [0, 1, 2, 3, 4, 5, 6])
    await assembly.verified
  })

  test('a bad copy beside a good one never gets in, whoever comes first', async () => {
    const { partial, written } = watchedPartial()
    const { assembly } = assemble({ partial })
    const verdicts = await Promise.all([
      assembly.add(0, chunk(0)),
      assembly.add(0, bad(0)),
      assembly.add(1, bad(1)),
      assembly.add(1, chunk(1)),
    ])
    expect(verdicts[0]).toBe(true)
    expect(verdicts[2]).toBe(false)
    expect(verdicts[3]).toBe(true)
    await addAll(assembly, [2, 3, 4, 5, 6])
    await assembly.verified
    for (const [index, given] of written) expect(Buffer.compare(given, chunk(index))).toBe(0)
    expect(Buffer.compare(await readAll(assembly.read()), bytes)).toBe(0)
  })

  test('copies of the last chunk all end', async () => {
    const { assembly } = assemble()
    await addAll(assembly, [0, 1, 2, 3, 4, 5])
    const copies = Array.from({ length: 4 }, async () => assembly.add(6, chunk(6)))
    expect(await Promise.all(copies)).toEqual([true, true, true, true])
    await assembly.verified
    expect(await assembly.add(6, bad(6))).toBe(true)
  })
})

describe('readers', () => {
  test('get what is there in order, but not the end before the whole has matched', async () => {
    const commit = Promise.withResolvers<void>()
    const { partial } = watchedPartial({ commit: async () => commit.promise })
    const { assembly } = assemble({ partial })
    const reader = reading(assembly)
    await addAll(assembly, [1, 2])
    expect(reader.bytes).toBe(0)
    await assembly.add(0, chunk(0))
    await until(() => reader.bytes === 3 * CHUNK_SIZE)
    await addAll(assembly, [3, 4, 5, 6])
    await until(() => reader.bytes === SIZE - HOLD_BACK)
    expect(reader.ended).toBe(false)
    commit.resolve()
    await reader.done
    expect(reader.bytes).toBe(SIZE)
    expect(reader.ended).toBe(true)
  })

  test('a slow one is served from the partial what memory does not keep, also after the commit', async () => {
    const { assembly } = assemble({ memoryBytes: CHUNK_SIZE })
    const slow = assembly.read()
    await addAll(assembly, [0, 1, 2, 3, 4, 5, 6])
    const first = await slow.next()
    await assembly.verified
    const rest = await readAll(slow)
    expect(Buffer.compare(Buffer.concat([first.value ?? Buffer.of(), rest]), bytes)).toBe(0)
  })

  test('are woken by a failure, and get its reason', async () => {
    const { partial, calls } = watchedPartial()
    const { assembly } = assemble({ partial })
    await addAll(assembly, [0])
    const reader = reading(assembly)
    await until(() => reader.bytes === CHUNK_SIZE)
    const reason = new Error('every source has failed')
    await assembly.fail(reason, { keep: true })
    expect(await reader.done).toBe(reason)
    await expect(assembly.read().next()).rejects.toBe(reason)
    await expect(assembly.add(1, chunk(1))).rejects.toBe(reason)
    await expect(assembly.verified).rejects.toBe(reason)
    expect(calls).toEqual(['suspend'])
    expect(assembly.has(0)).toBe(false)
  })
})

describe('bytes of another digest', () => {
  test('every chunk matches its leaf, yet the whole is refused and no reader sees its end', async () => {
    const lie = blob(SIZE, 99)
    const { leaves } = describeBytes(lie.digest, lie.bytes, CHUNK_SIZE)
    const { partial, calls } = watchedPartial()
    const { assembly } = assemble({ partial, leaves })
    let seen = 0
    const reader = (async () => {
      for await (const part of assembly.read()) seen += part.byteLength
    })()
    for (let index = 0; index < CHUNKS; index++) {
      const part = lie.bytes.subarray(index * CHUNK_SIZE, (index + 1) * CHUNK_SIZE)
      expect(await assembly.add(index, part)).toBe(true)
    }
    await expect(reader).rejects.toSatisfy((error) => isCatalogError(error, 'DIGEST_MISMATCH'))
    expect(seen).toBeLessThanOrEqual(SIZE - HOLD_BACK)
    await assembly.closed
    expect(calls).toEqual(['discard'])
    expect(assembly.isVerified).toBe(false)
  })
})

describe('bytes in order from an origin', () => {
  test.each([997, CHUNK_SIZE, CHUNK_SIZE + 1, SIZE])('in pieces of %i', async (piece) => {
    const { assembly } = assemble({ leaves: 'unknown' })
    const reader = reading(assembly)
    for (let offset = 0; offset < SIZE; offset += piece) {
      await assembly.append(bytes.subarray(offset, offset + piece))
    }
    await assembly.verified
    await reader.done
    expect(reader.bytes).toBe(SIZE)
  })

  test('are readable before a chunk is full', async () => {
    const { assembly } = assemble({ leaves: 'unknown' })
    const reader = reading(assembly)
    await assembly.append(bytes.subarray(0, 100))
    await until(() => reader.bytes === 100)
    await assembly.append(bytes.subarray(100, 300))
    await until(() => reader.bytes === 300)
    await assembly.fail(new Error('over'), { keep: false })
    await reader.done
  })

  test('more than announced are refused', async () => {
    const { assembly } = assemble({ leaves: 'unknown' })
    await assembly.append(bytes)
    await expect(assembly.append(Uint8Array.of(1))).rejects.toSatisfy((error) =>
      isCatalogError(error, 'DIGEST_MISMATCH'),
    )
  })
})

describe('what an earlier run left', () => {
  test('is hashed again and not asked for again', async () => {
    const { partial } = watchedPartial()
    for (const index of [0, 3, 6]) await partial.writeChunk(index, chunk(index))
    const { assembly } = assemble({ partial })
    expect(await assembly.resume()).toEqual([0, 3, 6])
    expect([...assembly.present().present()]).toEqual([0, 3, 6])
    await addAll(assembly, [1, 2, 4, 5])
    await assembly.verified
    expect(Buffer.compare(await readAll(assembly.read()), bytes)).toBe(0)
  })

  test('all of it is enough', async () => {
    const { partial } = watchedPartial()
    for (let index = 0; index < CHUNKS; index++) await partial.writeChunk(index, chunk(index))
    const { assembly } = assemble({ partial })
    expect(await assembly.resume()).toHaveLength(CHUNKS)
    await assembly.verified
  })

  test('with a bit flipped is corrupt, never served', async () => {
    const { partial } = watchedPartial()
    await partial.writeChunk(0, bad(0))
    const { assembly } = assemble({ partial })
    await expect(assembly.resume()).rejects.toSatisfy((e) => isCatalogError(e, 'STORE_CORRUPT'))
    expect(assembly.has(0)).toBe(false)
    await assembly.fail(new Error('over'), { keep: false })
  })
})

describe('a partial that fails', () => {
  test('to be written ends the assembly with its error', async () => {
    const full = new CatalogError('STORE_FULL', 'no room')
    const { partial, calls } = watchedPartial({ writeChunk: async () => Promise.reject(full) })
    const { assembly } = assemble({ partial })
    await assembly.add(0, chunk(0)).catch((error: unknown) => expect(error).toBe(full))
    await expect(assembly.verified).rejects.toBe(full)
    await assembly.closed
    expect(calls).toEqual(['discard'])
  })

  test('to be committed ends the assembly with its error, before the end was read', async () => {
    const broken = new CatalogError('STORE_FAILED', 'disk on fire')
    const { partial } = watchedPartial({ commit: async () => Promise.reject(broken) })
    const { assembly } = assemble({ partial })
    const reader = reading(assembly)
    await addAll(assembly, [0, 1, 2, 3, 4, 5, 6])
    expect(await reader.done).toBe(broken)
    expect(reader.bytes).toBeLessThanOrEqual(SIZE - HOLD_BACK)
  })

  test('to be closed is logged, not thrown at nobody', async () => {
    const { partial } = watchedPartial({
      suspend: async () => Promise.reject(new Error('cannot close')),
    })
    const { assembly, log } = assemble({ partial })
    await assembly.fail(new Error('over'), { keep: true })
    await assembly.closed
    expect(log.lines.map(({ event }) => event)).toEqual(['download.partial-not-closed'])
  })
})

describe('fail', () => {
  test('while it is being committed waits for that, which wins', async () => {
    const commit = Promise.withResolvers<void>()
    const { partial, calls } = watchedPartial({
      async commit() {
        calls.push('commit')
        await commit.promise
      },
    })
    const { assembly } = assemble({ partial })
    await addAll(assembly, [0, 1, 2, 3, 4, 5, 6])
    await until(() => calls.includes('commit'))
    const failing = assembly.fail(new Error('nobody waits any more'), { keep: true })
    commit.resolve()
    await failing
    expect(assembly.isVerified).toBe(true)
    expect(calls).toEqual(['commit'])
  })

  test('twice, or after the end, changes nothing', async () => {
    const { partial, calls } = watchedPartial()
    const { assembly } = assemble({ partial })
    const reason = new Error('first')
    await Promise.all([
      assembly.fail(reason, { keep: false }),
      assembly.fail(new Error('second'), { keep: true }),
    ])
    await expect(assembly.verified).rejects.toBe(reason)
    expect(calls).toEqual(['discard'])
  })
})
