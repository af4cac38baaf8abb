/** The conversation alone, over streams in memory: what each side accepts, and what somebody between them can do. */
import { describe, expect, it } from 'vitest'
import { isCode } from '../../../test/contract/host-pairs.ts'
import { streamPair } from '../../../test/support/stream-pair.ts'
import type { ByteStream, Meeting } from '../host/host.ts'
import { systemClock } from '../timing/clock.ts'
import { createSwarmKey, type SwarmKey } from './swarm-key.ts'
import { createSwarm } from './swarm.ts'

const unlimited = { signal: new AbortController().signal }
const refused = expect.toSatisfy(isCode('PEER_REFUSED'))

const meeting = (role: Meeting['role'], self: string, peer: string): Meeting => ({
  ...{ role, self, peer },
})

function prove(stream: ByteStream, how: Meeting, ...keys: SwarmKey[]): Promise<boolean> {
  const state = { name: 'test', keys: keys.map((key) => ({ key })) }
  return createSwarm({ clock: systemClock, state: () => state }).prove(stream, how, unlimited)
}

interface Ends {
  readonly dialer: readonly SwarmKey[]
  readonly listener: readonly SwarmKey[]
}

/** Each side's result. */
async function meet({ dialer, listener }: Ends): Promise<PromiseSettledResult<boolean>[]> {
  const { local, remote } = streamPair()
  return await Promise.allSettled([
    prove(local, meeting('dialer', 'a', 'b'), ...dialer),
    prove(remote, meeting('listener', 'b', 'a'), ...listener),
  ])
}

const states = (results: readonly PromiseSettledResult<boolean>[]): string[] =>
  results.map(({ status }) => status)

/** Passes bytes on both ways; what went each way is kept. */
function tap(left: ByteStream, right: ByteStream): { toRight: Buffer[]; toLeft: Buffer[] } {
  const record = { toRight: [] as Buffer[], toLeft: [] as Buffer[] }
  const pass = async (from: ByteStream, to: ByteStream, kept: Buffer[]): Promise<void> => {
    try {
      for await (const bytes of from.source) {
        kept.push(Buffer.from(bytes))
        await to.write(bytes)
      }
      await to.end()
    } catch (error) {
      to.abort(error instanceof Error ? error : new Error(String(error)))
    }
  }
  void pass(left, right, record.toRight)
  void pass(right, left, record.toLeft)
  return record
}

describe('membership', () => {
  it('is proven by those who know the same key, to both', async () => {
    const key = createSwarmKey()
    expect(states(await meet({ dialer: [key], listener: [key] }))).toEqual([
      'fulfilled',
      'fulfilled',
    ])
  })

  it('is not proven with another key, to either', async () => {
    const results = await meet({ dialer: [createSwarmKey()], listener: [createSwarmKey()] })
    expect(states(results)).toEqual(['rejected', 'rejected'])
    expect(results[0]).toMatchObject({ reason: refused })
  })

  it('is proven while keys change, in whatever order machines learn of the new one', async () => {
    const [old, next] = [createSwarmKey(), createSwarmKey()]
    const both = [next, old]
    for (const ends of [
      { dialer: both, listener: [old] },
      { dialer: [old], listener: both },
      { dialer: both, listener: both },
      { dialer: both, listener: [next] },
    ]) {
      expect(states(await meet(ends))).toEqual(['fulfilled', 'fulfilled'])
    }
    expect(states(await meet({ dialer: [next], listener: [old] }))).toContain('rejected')
  })

  it('is not proven by what was recorded, to a listener', async () => {
    const key = createSwarmKey()
    const [first, second] = [streamPair(), streamPair()]
    const { toRight } = tap(first.remote, second.local)
    await Promise.all([
      prove(first.local, meeting('dialer', 'a', 'b'), key),
      prove(second.remote, meeting('listener', 'b', 'a'), key),
    ])
    const again = streamPair()
    const result = prove(again.remote, meeting('listener', 'b', 'a'), key)
    for (const bytes of toRight) await again.local.write(bytes)
    await expect(result).rejects.toEqual(refused)
  })

  it('is not proven by what was recorded, to a dialer', async () => {
    const key = createSwarmKey()
    const [first, second] = [streamPair(), streamPair()]
    const { toLeft } = tap(first.remote, second.local)
    await Promise.all([
      prove(first.local, meeting('dialer', 'a', 'b'), key),
      prove(second.remote, meeting('listener', 'b', 'a'), key),
    ])
    const again = streamPair()
    const result = prove(again.local, meeting('dialer', 'a', 'b'), key)
    for (const bytes of toLeft) await again.remote.write(bytes)
    await expect(result).rejects.toEqual(refused)
  })

  it('is not proven by sending back what came', async () => {
    const key = createSwarmKey()
    const { local, remote } = streamPair()
    const mirror = (async () => {
      for await (const bytes of remote.source) await remote.write(bytes)
    })()
    await expect(prove(local, meeting('dialer', 'a', 'b'), key)).rejects.toThrow()
    await mirror.catch(() => undefined)
  })

  it('is not proven by a listener that has the other side dial it, and hands the proof back', async () => {
    const key = createSwarmKey()
    const [asDialer, asListener] = [streamPair(), streamPair()]
    // A dials M; M dials A at the same time, and passes on each way what the other conversation says.
    tap(asDialer.remote, asListener.local)
    const results = await Promise.allSettled([
      prove(asDialer.local, meeting('dialer', 'a', 'm'), key),
      prove(asListener.remote, meeting('listener', 'a', 'm'), key),
    ])
    expect(states(results)).toEqual(['rejected', 'rejected'])
  })

  it('is not proven by one between two members, who has an id of its own', async () => {
    const key = createSwarmKey()
    const [left, right] = [streamPair(), streamPair()]
    tap(left.remote, right.local)
    const results = await Promise.allSettled([
      prove(left.local, meeting('dialer', 'a', 'm'), key),
      prove(right.remote, meeting('listener', 'b', 'm'), key),
    ])
    expect(states(results)).toEqual(['rejected', 'rejected'])
  })

  it('gives an outsider nothing that is the same twice', async () => {
    const key = createSwarmKey()
    const seen: string[] = []
    for (let turn = 0; turn < 2; turn++) {
      const { local, remote } = streamPair()
      const listener = prove(remote, meeting('listener', 'b', 'm'), key)
      await local.write(Buffer.concat([Buffer.from([0, 0, 0, 34, 1, 0]), Buffer.alloc(32)]))
      for await (const bytes of local.source) {
        seen.push(Buffer.from(bytes).toString('hex'))
        break
      }
      await local.write(Buffer.from([0, 0, 0, 17, ...Buffer.alloc(17)]))
      await expect(listener).rejects.toEqual(refused)
    }
    const [one = '', two = ''] = seen
    // A length, 32 random bytes, one proof of 16: nothing but the lengths is the same.
    expect(one).toHaveLength(2 * (4 + 32 + 1 + 2 + 16))
    expect(one.slice(8, 72)).not.toBe(two.slice(8, 72))
    expect(one.slice(78)).not.toBe(two.slice(78))
  })

  it.each([
    ['a hello of another version', [0, 0, 0, 34, 9, 0]],
    ['a frame that is too long', [0x13, 0x2f, 0x6d, 0x75]],
    ['an empty frame', [0, 0, 0, 0]],
  ])('ends at once at %s', async (_, start) => {
    const { local, remote } = streamPair()
    const listener = prove(remote, meeting('listener', 'b', 'm'), createSwarmKey())
    await local.write(Buffer.concat([Buffer.from(start), Buffer.alloc(32)]))
    await expect(listener).rejects.toThrow()
  })

  it('ends when the wait does, and drops the stream', async () => {
    const { local, remote } = streamPair()
    const leave = new AbortController()
    const state = { name: 'test', keys: [{ key: createSwarmKey() }] }
    const { prove: ask } = createSwarm({ clock: systemClock, state: () => state })
    const proving = ask(local, meeting('dialer', 'a', 'b'), { signal: leave.signal })
    leave.abort(new Error('enough'))
    await expect(proving).rejects.toThrow('enough')
    await expect(remote.write(Buffer.alloc(1))).rejects.toThrow()
  })
})
