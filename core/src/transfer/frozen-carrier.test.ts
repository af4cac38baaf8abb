import { expect, test } from 'vitest'
import { blob, CHUNK_SIZE } from '../../../test/support/blobs.ts'
import { createFakeClock } from '../../../test/support/fake-clock.ts'
import { streamPair } from '../../../test/support/stream-pair.ts'
import { createWorld, getBytes } from '../../../test/support/transfer-world.ts'
import type { Carriers } from '../carrier/carrier.ts'
import type { ByteStream } from '../host/host.ts'

const before = blob(40 * CHUNK_SIZE)
const large = blob(48 * CHUNK_SIZE)
const THIRD = large.bytes.byteLength / 3

test('a download over a carrier that freezes in the middle goes on over the host', async () => {
  const clock = createFakeClock()
  let serve: Parameters<Carriers['handle']>[0] = () => undefined
  let carried = 0
  let freezesAt = Infinity
  const idle = { start: async () => undefined, stop: async () => undefined, count: () => 0 }
  const open = async (): Promise<ByteStream | undefined> => {
    if (freezesAt < Infinity) return undefined // the dialler leaves it alone
    const pair = streamPair(clock)
    const { peer, protocol, source } = pair.remote
    const serving = serve({
      ...{ peer, protocol, source },
      async write(bytes) {
        carried += bytes.byteLength
        pair.silent ||= carried > freezesAt
        await pair.remote.write(bytes)
      },
      end: () => pair.remote.end(),
      abort: (reason) => pair.remote.abort(reason),
    })
    void Promise.resolve(serving).catch(() => undefined) // reset by the other side
    return pair.local
  }
  const world = createWorld(clock)
  // Named as the ends of the pair are.
  const holder = await world.add('remote', {}, undefined, {
    ...idle,
    open: async () => undefined,
    handle: (handler) => (serve = handler),
  })
  const asker = await world.add('local', {}, undefined, { ...idle, open, handle: () => undefined })
  await holder.put(before)
  await holder.put(large)
  await asker.host.connect('/memory/remote', { signal: new AbortController().signal })
  await getBytes(asker, before.digest)
  freezesAt = carried + THIRD
  let done = false
  const got = getBytes(asker, large.digest).finally(() => (done = true))
  for (let times = 0; times < 200 && !done; times += 1) await clock.advance(100)
  expect((await got).bytes.equals(large.bytes)).toBe(true)
  expect(carried).toBeGreaterThan(freezesAt)
  expect(asker.bans).toEqual([])
})
