import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { expectedOf } from './integrity.ts'
import { FinalError, type Source, type SourceName } from './tarball-request.ts'
import { HELD_BYTES, IntegrityError, openVerified } from './verified-tarball.ts'

const MiB = 1024 * 1024
const PIECE = 100_000

function bytesOf(size: number): Buffer {
  return Buffer.alloc(size, 'some bytes that repeat ')
}

function requestFor(bytes: Buffer) {
  const integrity = `sha512-${createHash('sha512').update(bytes).digest('base64')}`
  const expected = expectedOf(integrity, undefined)
  if (expected === undefined) throw new Error('no hash')
  return { name: 'fx', filename: 'fx-1.0.0.tgz', label: 'fx@1.0.0', expected }
}

interface Behaviour {
  readonly from?: SourceName
  /** Instead of an answer. */
  readonly refuses?: Error
  /** Breaks off after so many bytes. */
  readonly breaksAt?: number
  /** What it says of its length; by default the truth. */
  readonly size?: number | undefined
}

function source(bytes: Buffer, behaviour: Behaviour = {}): Source & { opened: number } {
  const { from = 'uplink', refuses, breaksAt = Infinity } = behaviour
  async function* body(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += PIECE) {
      if (at >= breaksAt) throw new Error('it broke off')
      yield bytes.subarray(at, at + PIECE)
    }
  }
  return {
    name: from,
    opened: 0,
    async open() {
      this.opened += 1
      if (refuses !== undefined) throw refuses
      return { from, size: 'size' in behaviour ? behaviour.size : bytes.length, body: body() }
    },
  }
}

async function read(
  bytes: Buffer,
  sources: readonly Source[],
  signal = new AbortController().signal,
) {
  const got: Uint8Array[] = []
  const fallbacks: string[] = []
  const onFallback = (failed: Source): void => void fallbacks.push(failed.name)
  let error: unknown
  let from: SourceName | undefined
  let size: number | undefined
  try {
    const tarball = await openVerified(requestFor(bytes), sources, { signal, onFallback })
    for await (const chunk of tarball.body) {
      if (got.length === 0) size = tarball.size()
      got.push(chunk)
    }
    from = tarball.from()
  } catch (thrown) {
    error = thrown
  }
  return { bytes: Buffer.concat(got), from, fallbacks, error, size }
}

const broken = { breaksAt: 2 * MiB }

describe.each([0, 1, HELD_BYTES, HELD_BYTES + 1, 3 * MiB])('%d bytes', (size) => {
  const right = bytesOf(size)

  test('come through as they are', async () => {
    const result = await read(right, [source(right)])
    expect(result.error).toBeUndefined()
    expect(result.bytes.equals(right)).toBe(true)
  })

  test('of another content never end, and nothing leaves of what fits into memory', async () => {
    const wrong = Buffer.concat([right, Buffer.from('x')])
    const result = await read(right, [source(wrong, { from: 'peer' })])
    expect(result.error).toBeInstanceOf(IntegrityError)
    expect(result.error).toMatchObject({ status: 502, from: 'peer' })
    expect(String(result.error)).toContain('fx@1.0.0')
    expect(result.bytes.length).toBeLessThanOrEqual(Math.max(0, wrong.length - HELD_BYTES))
  })

  test('from a source that refuses come from the next', async () => {
    const refuses = source(right, { from: 'daemon', refuses: new Error('not here') })
    const result = await read(right, [refuses, source(right)])
    expect(result).toMatchObject({ from: 'uplink', fallbacks: ['daemon'], error: undefined })
    expect(result.bytes.equals(right)).toBe(true)
  })
})

const large = bytesOf(5 * MiB)

test('a small lie of one source is made good by the next', async () => {
  const small = bytesOf(1000)
  const liar = source(bytesOf(1001), { from: 'daemon' })
  const result = await read(small, [liar, source(small)])
  expect(result).toMatchObject({ from: 'uplink', fallbacks: ['daemon'], error: undefined })
  expect(result.bytes.equals(small)).toBe(true)
})

test('a large lie is the end of it: its bytes have left', async () => {
  const uplink = source(large)
  const result = await read(large, [source(Buffer.alloc(5 * MiB, 1), { from: 'peer' }), uplink])
  expect(result.error).toBeInstanceOf(IntegrityError)
  expect(uplink.opened).toBe(0)
})

test('a source that breaks off is continued where it was', async () => {
  const result = await read(large, [source(large, { ...broken, from: 'peer' }), source(large)])
  expect(result).toMatchObject({ from: 'uplink', fallbacks: ['peer'], error: undefined })
  expect(result.bytes.equals(large)).toBe(true)
})

test('one that continues with other bytes is found out', async () => {
  const other = Buffer.from(large)
  other[4 * MiB] = 0
  const result = await read(large, [source(large, { ...broken, from: 'peer' }), source(other)])
  expect(result.error).toBeInstanceOf(IntegrityError)
})

test('the last one is asked again once when bytes have left, and only then', async () => {
  const twice = source(large, broken)
  const failed = await read(large, [twice])
  expect(twice.opened).toBe(2)
  expect(String(failed.error)).toContain('it broke off')

  const early = source(large, { breaksAt: 0 })
  await read(large, [early])
  expect(early.opened).toBe(1)
})

test('one that ends before its length has broken off', async () => {
  const part = large.subarray(0, 2 * MiB)
  const short = source(part, { from: 'peer', size: large.length })
  const result = await read(large, [short, source(large)])
  expect(result).toMatchObject({ from: 'uplink', fallbacks: ['peer'], error: undefined })
  expect(result.bytes.equals(large)).toBe(true)
})

test('one that never said its length and ends early can not be told from a lie', async () => {
  const short = source(large.subarray(0, 2 * MiB), { from: 'peer', size: undefined })
  expect((await read(large, [short, source(large)])).error).toBeInstanceOf(IntegrityError)
})

describe('the length that is told', () => {
  const small = bytesOf(300)
  const twoMiB = { breaksAt: 2 * MiB, from: 'peer' as const }

  test.each([
    ['of other bytes', source(bytesOf(900_000), { from: 'peer', size: 1_500_000 })],
    ['that breaks off', source(small, { from: 'peer', size: 1_500_000, breaksAt: 0 })],
    ['that says too much', source(small, { from: 'peer', size: 5000 })],
  ])('is not that of a source %s', async (_, first) => {
    const result = await read(small, [first, source(small)])
    expect(result).toMatchObject({ from: 'uplink', size: 300, error: undefined })
  })

  test.each([5, undefined])('is the true one, though %s is said of what is small', async (size) => {
    const result = await read(small, [source(small, { size })])
    expect(result).toMatchObject({ size: 300, error: undefined, fallbacks: [] })
  })

  test('is that of the source whose bytes leave first', async () => {
    const liar = source(large, { from: 'peer', size: 9 * MiB, breaksAt: HELD_BYTES / 2 })
    expect(await read(large, [liar, source(large)])).toMatchObject({ size: large.length })
  })

  test('holds: another source with another length is not read', async () => {
    const other = source(large, { from: 'daemon', size: large.length + 1 })
    const result = await read(large, [source(large, twoMiB), other, source(large)])
    expect(result).toMatchObject({ size: large.length, fallbacks: ['peer', 'daemon'] })
    expect(result.bytes.equals(large)).toBe(true)
  })

  test('is never exceeded', async () => {
    const result = await read(large, [source(large, { size: 4 * MiB })])
    expect(result.bytes.length).toBeLessThanOrEqual(4 * MiB)
    expect(String(result.error)).toContain('were announced')
  })

  test('is none where nobody has said one and it does not fit into memory', async () => {
    const result = await read(large, [source(large, { size: undefined })])
    expect(result).toMatchObject({ size: undefined, error: undefined })
  })
})

test("the last source's own answer is final", async () => {
  const gone = Object.assign(new Error('no such file'), { status: 404 })
  const uplink = source(large)
  const result = await read(large, [source(large, { refuses: new FinalError(gone) }), uplink])
  expect(result.error).toBe(gone)
  expect(uplink.opened).toBe(0)
})

test('who gives up is not told of anything else', async () => {
  const reason = new Error('the client has gone')
  const result = await read(large, [source(large)], AbortSignal.abort(reason))
  expect(result.error).toBe(reason)
})
