/**
 * The repairs of core/src/host/libp2p/quic/quic-read-size.ts: that they work on real loopback QUIC, and that they are still needed. When
 * a test here says so, delete that file and this one.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { nextReadSize, repairReads } from '../../core/src/host/libp2p/quic/quic-read-size.ts'

const UPSTREAM_READ_BYTES = 4096
const OURS = 'core/src/host/libp2p/quic/quic-read-size.ts'

interface Seen {
  readonly largestRead: number
  readonly receivedBytes: number
  /** How a stream ended that the other side reset. */
  readonly afterReset: 'failed' | 'ended'
}

/** In a process of its own, because the repair is made on a class that the process shares. */
function transfer(repair: 'repaired' | 'as shipped'): Seen {
  const script = fileURLToPath(new URL('../support/quic-transfer.ts', import.meta.url))
  const child = spawnSync(process.execPath, [script, repair], { encoding: 'utf8', timeout: 50_000 })
  if (child.status !== 0) throw new Error(`quic-transfer failed: ${child.stderr}`)
  return JSON.parse(child.stdout) as Seen
}

describe('QUIC reads', () => {
  it('are larger than 4096 bytes with the repair, and a reset is a failure', () => {
    const seen = transfer('repaired')
    expect(seen.receivedBytes).toBe(8 * 1024 * 1024)
    expect(seen.largestRead).toBeGreaterThan(UPSTREAM_READ_BYTES)
    expect(seen.afterReset).toBe('failed')
  })

  it('are small as shipped, and a reset looks like an end: else delete the repair', () => {
    const seen = transfer('as shipped')
    expect(seen.receivedBytes).toBe(8 * 1024 * 1024)
    expect
      .soft(seen.largestRead, `reads have grown upstream: take the read size out of ${OURS}`)
      .toBeLessThanOrEqual(UPSTREAM_READ_BYTES)
    expect
      .soft(seen.afterReset, `resets are seen upstream: take their repair out of ${OURS}`)
      .toBe('ended')
  })

  it('are still asked for in small pieces upstream: else delete the repair', () => {
    const entry = import.meta.resolve('@chainsafe/libp2p-quic')
    const source = readFileSync(fileURLToPath(new URL('stream.js', entry)), 'utf8')
    const size = Number(/CHUNK_SIZE = ([\d_]+)/.exec(source)?.[1]?.replaceAll('_', ''))
    expect(
      size,
      `@chainsafe/libp2p-quic reads ${size} bytes at once now: delete ${OURS} and this test, if resets are seen too`,
    ).toBeLessThan(64 * 1024)
  })
})

describe('the size of a read', () => {
  it('is that of what the stream has to say, and not what its JavaScript asks for', async () => {
    const sizes: number[] = []
    class Native {
      readonly #coming = [10, 3_000, 100_000, 2_047, 300]
      async read(size: number): Promise<Uint8Array> {
        sizes.push(size)
        return new Uint8Array(Math.min(size, this.#coming.shift() ?? 0))
      }
    }
    expect(repairReads(Native)).toBe(true)
    const stream = new Native()
    for (let read = 0; read < 6; read++) await stream.read(4_096)
    const KiB = 1024
    expect(sizes).toEqual([2 * KiB, 2 * KiB, 16 * KiB, 64 * KiB, 16 * KiB, 4 * KiB])
  })
})

describe('the size of the next read', () => {
  it('grows while reads come back full and shrinks when they do not, within bounds', () => {
    const KiB = 1024
    expect(nextReadSize(2 * KiB, 2 * KiB)).toBe(16 * KiB)
    expect(nextReadSize(16 * KiB, 16 * KiB)).toBe(64 * KiB)
    expect(nextReadSize(64 * KiB, 64 * KiB)).toBe(256 * KiB)
    expect(nextReadSize(256 * KiB, 256 * KiB)).toBe(256 * KiB)
    expect(nextReadSize(256 * KiB, 100 * KiB)).toBe(256 * KiB)
    expect(nextReadSize(256 * KiB, 10)).toBe(64 * KiB)
    expect(nextReadSize(4 * KiB, 10)).toBe(2 * KiB)
    expect(nextReadSize(2 * KiB, 10)).toBe(2 * KiB)
  })
})
