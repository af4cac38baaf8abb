import { describe, expect, test } from 'vitest'
import { createFakeClock } from '../../../../test/support/fake-clock.ts'
import { createUploads } from './uploads.ts'
import { unlimited } from '../rate-limit.ts'

const never = new AbortController().signal

describe('createUploads', () => {
  test('counts for the peer while it is here, and for all', () => {
    const uploads = createUploads(createFakeClock(), {
      uploadRate: 0,
      uploadRatePerPeer: 0,
      maxConcurrentTransfers: 1,
    })
    expect(uploads.limitOf('a')).toBe(unlimited)
    uploads.count('a', 10, true)
    uploads.count('a', 5, false)
    expect(uploads.sentBytes('a')).toBe(15)
    uploads.forget('a')
    uploads.count('a', 1, true)
    expect(uploads.sentBytes('a')).toBe(0)
    expect(uploads.bytes).toBe(16)
    expect(uploads.artifacts).toBe(2)
  })

  test('one peer that takes its share leaves the others theirs; all together keep to the whole', async () => {
    const clock = createFakeClock()
    const uploads = createUploads(clock, {
      uploadRate: 3000,
      uploadRatePerPeer: 1000,
      maxConcurrentTransfers: 1,
    })
    const sent = { a: 0, b: 0 }
    const stop = new AbortController()
    const send = async (peer: 'a' | 'b'): Promise<void> => {
      for (;;) {
        await uploads.limitOf(peer).take(100, stop.signal)
        sent[peer] += 100
      }
    }
    const senders = [send('a'), send('b')]
    await clock.advance(10_000)
    stop.abort(new Error('over'))
    await Promise.allSettled(senders)
    for (const bytes of Object.values(sent)) {
      expect(bytes).toBeGreaterThan(9_500)
      expect(bytes).toBeLessThan(10_700)
    }
    await uploads.limitOf('c').take(0, never)
  })
})
