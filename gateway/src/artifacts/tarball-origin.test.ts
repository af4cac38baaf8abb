/** How slowly a registry's tarball may come; what it does when a connection breaks is in tarball.test.ts. */
import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { createTarballOrigin, SHORT_BYTES } from './tarball-origin.ts'
import type { Upstream, UpstreamRequest, UpstreamResponse } from '../upstream/upstream.ts'

const SILENCE_MS = 60_000
const BYTES = Buffer.alloc(8 * 1024 * 1024, 'x')

interface Line {
  /** Of each chunk that upstream sends. */
  readonly bytes: number
  readonly everyMs: number
}

/** A tarball over such lines, one a connection (the last one for all further ones), by a clock of its own. */
function download(lines: readonly Line[], size: number, readerMs = 0) {
  let nowMs = 1_000_000
  const ranges: (string | undefined)[] = []
  async function* body(line: Line, from: number): AsyncGenerator<Buffer> {
    for (let at = from; at < size; at += line.bytes) {
      nowMs += line.everyMs
      yield BYTES.subarray(at, Math.min(size, at + line.bytes))
    }
  }
  const upstream = {
    counts: { requests: 0, failures: 0, bytes: 0 },
    request({ url, headers }: UpstreamRequest): Promise<UpstreamResponse> {
      const range = headers?.range as string | undefined
      const line = lines[Math.min(ranges.length, lines.length - 1)]
      if (line === undefined) throw new Error('no line')
      ranges.push(range)
      const from = Number(/\d+/.exec(range ?? '0')?.[0])
      const chunks = body(line, from)
      return Promise.resolve({
        status: range === undefined ? 200 : 206,
        headers: {
          'content-length': String(size - from),
          'content-range': `bytes ${from}-${size - 1}/${size}`,
        },
        // A stream reads ahead of whoever waits for it, and this clock with it.
        body: (size > SHORT_BYTES
          ? chunks
          : Readable.from(chunks)) as unknown as UpstreamResponse['body'],
        ...{ url, statusText: '', withCredentials: false, silenceMs: SILENCE_MS },
      })
    },
  } as unknown as Upstream
  const origin = createTarballOrigin(upstream, {
    url: () => Promise.resolve(new URL('https://npm.invalid/n/-/n-1.0.0.tgz')),
    visibility: 'public',
    credentialsFor: undefined,
    now: () => nowMs,
  })
  async function read(): Promise<number> {
    let received = 0
    const { body: bytes } = await origin.open({ signal: AbortSignal.timeout(60_000) })
    for await (const chunk of bytes) {
      received += chunk.byteLength
      nowMs += readerMs
    }
    return received
  }
  const startMs = nowMs
  return { read, ranges, tookMs: () => nowMs - startMs }
}

describe('a tarball', () => {
  test('of a byte a second is given up after a few tries, not after days', async () => {
    const { read, ranges, tookMs } = download([{ bytes: 1, everyMs: 1000 }], BYTES.length)
    await expect(read()).rejects.toMatchObject({
      code: 'UPSTREAM_UNREACHABLE',
      message: expect.stringContaining('less than 4096 bytes') as string,
    })
    expect(ranges).toEqual([undefined, 'bytes=60-', 'bytes=120-', 'bytes=180-'])
    expect(tookMs()).toBe(4 * (SILENCE_MS + 1000))
  })

  test('that trickles goes on over a connection that does not', async () => {
    const lines = [
      { bytes: 1, everyMs: 1000 },
      { bytes: 65_536, everyMs: 10 },
    ]
    const { read, ranges } = download(lines, BYTES.length)
    expect(await read()).toBe(BYTES.length)
    expect(ranges).toEqual([undefined, 'bytes=60-'])
  })

  test('over a slow but honest line takes as long as it needs', async () => {
    const { read, ranges, tookMs } = download([{ bytes: 512, everyMs: 5_000 }], 1024 * 1024)
    expect(await read()).toBe(1024 * 1024)
    expect(ranges).toHaveLength(1)
    expect(tookMs()).toBeGreaterThan(100 * SILENCE_MS)
  })

  test('whose reader is slow is not blamed for it', async () => {
    const { read, ranges } = download([{ bytes: 100, everyMs: 1 }], 10_000, 30_000)
    expect(await read()).toBe(10_000)
    expect(ranges).toHaveLength(1)
  })

  test('that was slow is whole all the same when it ends', async () => {
    const { read, ranges } = download([{ bytes: 1, everyMs: 1000 }], 60)
    expect(await read()).toBe(60)
    expect(ranges).toHaveLength(1)
  })

  test('that is small may come late', async () => {
    const { read, ranges } = download([{ bytes: 300, everyMs: SILENCE_MS - 1 }], 300)
    expect(await read()).toBe(300)
    expect(ranges).toHaveLength(1)
  })
})
