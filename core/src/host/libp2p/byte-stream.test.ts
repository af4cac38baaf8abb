/** What streams take of the memory that they share for what nobody has read yet, until they are over. */
import { streamPair } from '@libp2p/utils'
import { expect, test } from 'vitest'
import { FairShare } from '../../limits/fair-share.ts'
import { systemClock } from '../../timing/clock.ts'
import type { ByteStream } from '../host.ts'
import { toByteStream, type UnreadBytes } from './byte-stream.ts'

const BOUND = 1_000_000

test('a stream that is over is forgotten, as soon as it is read', async () => {
  let founded = 0 // A group is there from its first member to its last.
  const unread: UnreadBytes = new FairShare({
    total: BOUND,
    ofGroup: () => {
      founded += 1
      return BOUND
    },
  })
  for (const isRead of [true, false, true]) {
    const stream = await finished(unread)
    if (isRead) for await (const bytes of stream.source) expect(bytes.byteLength).toBe(3)
    else {
      expect(unread.total).toBeGreaterThan(0)
      stream.abort(new Error('nobody reads it'))
    }
    expect(unread.total).toBe(0)
  }
  expect(founded).toBe(3)
})

/** One on which the other side has sent three bytes, and which both have ended. */
async function finished(unread: UnreadBytes): Promise<ByteStream> {
  const [local, remote] = await streamPair()
  const closed = Promise.withResolvers<void>()
  const stream = toByteStream(local, {
    ...{ clock: systemClock, peer: 'peer', group: 'ip4/192.0.2.1', maxInboundBytes: BOUND, unread },
    onClosed: () => closed.resolve(),
  })
  remote.send(new Uint8Array(3))
  await Promise.all([remote.close(), stream.end()])
  await closed.promise
  return stream
}
