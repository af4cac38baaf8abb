/** What questions and their answers may cost: answers go on the budget of all uploads, and peers that let us wait come last. */
import { describe, expect, test } from 'vitest'
import { swarm } from '../../test/support/swarm.ts'
import type { MessageCodec, RequestProtocol } from './rpc/protocol.ts'

const MIB = 1024 * 1024
const bytes: MessageCodec<Uint8Array> = {
  maxBytes: 16 * MIB,
  encode: (message) => message,
  decode: (body) => Uint8Array.from(body),
}
const protocolOf = (timeoutMs: number): RequestProtocol<Uint8Array, Uint8Array> => ({
  ...{ id: '/test/bytes/1.0.0', timeoutMs, request: bytes, response: bytes },
})
const question = (peer: string, signal = new AbortController().signal) => ({
  ...{ peer, request: Uint8Array.of(1), signal },
})

describe('answers', () => {
  test('are not begun while their peer holds all the memory that it may', async () => {
    await using world = await swarm(2)
    const { a, b } = world
    const gate = Promise.withResolvers<void>()
    const begun = Promise.withResolvers<void>()
    let answered = 0
    const answering = b.questions.answer(protocolOf(30_000), {
      maxStreamsPerPeer: 4,
      bytesFor: () => 20 * MIB,
      async answer() {
        answered += 1
        begun.resolve()
        await gate.promise
        return Uint8Array.of(7)
      },
    })
    const first = a.questions.ask(protocolOf(30_000), question(b.id))
    await begun.promise
    // No response would say that it has none.
    await expect(a.questions.ask(protocolOf(30_000), question(b.id))).rejects.toMatchObject({
      code: 'PEER_UNREACHABLE',
    })
    expect(answered).toBe(1)
    gate.resolve()
    expect(await first).toEqual(Uint8Array.of(7))
    expect(await a.questions.ask(protocolOf(30_000), question(b.id))).toEqual(Uint8Array.of(7))
    await answering.stop()
  })

  test('count as uploads, and wait for the upload limit', async () => {
    const transfer = [{}, { uploadRatePerPeer: 1_000 }]
    await using world = await swarm(2, { transfer })
    const { a, b } = world
    const answer = async (): Promise<Uint8Array> => new Uint8Array(20_000)
    const answering = b.questions.answer(protocolOf(30_000), { maxStreamsPerPeer: 4, answer })
    expect(await a.questions.ask(protocolOf(30_000), question(b.id))).toHaveLength(20_000)
    expect(b.stats().uploaded.bytes).toBeGreaterThan(20_000)
    const second = a.questions.ask(protocolOf(50), question(b.id))
    await expect(second).rejects.toMatchObject({ code: 'PEER_TIMEOUT' })
    await answering.stop()
  })
})

describe('questions', () => {
  test('that are more than a peer accepts at once wait for their turn', async () => {
    await using world = await swarm(2)
    const { a, b } = world
    const protocol = { ...protocolOf(30_000), maxAtOnce: 2 }
    const answer = async (): Promise<Uint8Array> => Uint8Array.of(7)
    const options = { maxStreamsPerPeer: 2, bytesFor: () => 1, answer }
    const answering = b.questions.answer(protocol, options)
    const gone = new AbortController()
    const asking = Array.from({ length: 20 }, () => a.questions.ask(protocol, question(b.id)))
    const left = a.questions.ask(protocol, question(b.id, gone.signal))
    gone.abort(new Error('no more'))
    await expect(left).rejects.toThrow('no more')
    for (const each of await Promise.all(asking)) expect(each).toEqual(Uint8Array.of(7))
    await answering.stop()
  })
})

describe('a peer that lets questions hang', () => {
  test('is left out for a while where there are others, whatever else it does well', async () => {
    await using world = await swarm(3)
    const { a, b, c } = world
    const silent = b.questions.answer(protocolOf(60_000), {
      maxStreamsPerPeer: 4,
      bytesFor: () => 1,
      answer: (_request, { signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(new Error('too late')))
        }),
    })
    expect(a.questions.peers().sort()).toEqual([b.id, c.id])
    const asking = [1, 2, 3].map(() => a.questions.ask(protocolOf(20), question(b.id)))
    const outcomes = Promise.allSettled(asking)
    // Its other requests say nothing of it here.
    const digest = await b.put(Uint8Array.of(1, 2, 3))
    await world.knows(a)
    await a.get(digest)
    for (const { status } of await outcomes) expect(status).toBe('rejected')
    expect(a.questions.peers()).toEqual([c.id])
    await silent.stop()
  })
})
