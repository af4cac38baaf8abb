import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createFakeClock, type FakeClock } from '../../../test/support/fake-clock.ts'
import { CatalogError } from '../errors.ts'
import type { Host } from '../host/host.ts'
import { createInboundQueue } from '../host/inbound-queue.ts'
import { createMemoryNetwork } from '../host/memory-host.ts'
import { silentLogger } from '../log.ts'
import { encodeFrame } from '../wire/frames.ts'
import { createAnswering, type AnswerBudget, type Answering } from './answer.ts'
import { ask } from './ask.ts'
import type { MessageCodec, RequestProtocol } from './protocol.ts'

const text: MessageCodec<string> = {
  maxBytes: 64,
  encode: (message) => Buffer.from(message),
  decode: (body) => {
    const message = Buffer.from(body).toString()
    if (message.startsWith('?')) throw new CatalogError('PEER_MISBEHAVED', 'malformed')
    return message
  },
}
const ECHO: RequestProtocol<string, string> = {
  id: '/test/echo/1.0.0',
  timeoutMs: 1_000,
  request: text,
  response: text,
}

let clock: FakeClock
let a: Host
let b: Host
let answering: Answering
let reports: string[]
/** Aborted when `answer` is given up. */
let answerSignal: AbortSignal | undefined
let answer: (request: string) => Promise<string | undefined>

beforeEach(async () => {
  clock = createFakeClock()
  const network = createMemoryNetwork({ clock, latencyMs: 1 })
  a = network.createHost('a')
  b = network.createHost('b')
  reports = []
  answer = async (request) => `${request}!`
  answering = createAnswering(
    {
      ...{ host: b, clock, log: silentLogger },
      onMisbehaviour: (peer, reason) => reports.push(`${peer}: ${reason}`),
    },
    ECHO,
    {
      maxStreamsPerPeer: 2,
      answer: (request, { signal }) => {
        answerSignal = signal
        return answer(request)
      },
    },
  )
  answering.start()
  await Promise.all([a.start(), b.start()])
  await within(a.connect('b', { signal: new AbortController().signal }))
})

afterEach(async () => {
  await within(answering.stop())
  await Promise.all([a.stop(), b.stop()])
  await clock.advance(100)
  expect(clock.sleepers).toBe(0)
})

/** Runs while time goes on. */
async function within<Result>(work: Promise<Result>): Promise<Result> {
  let isDone = false
  const done = work.finally(() => {
    isDone = true
  })
  done.catch(() => undefined) // awaited below
  await clock.advanceUntil(() => isDone, { maxMs: 20_000 })
  return done
}

const echo = (
  request: string,
  signal = new AbortController().signal,
): Promise<string | undefined> => ask({ host: a, clock }, ECHO, { peer: 'b', request, signal })

/** What a peer that is not ours may send. */
async function send(...parts: readonly Uint8Array[]): Promise<void> {
  const { signal } = new AbortController()
  const stream = await a.open('b', ECHO.id, { signal })
  for (const part of parts) await stream.write(part)
  await stream.end()
  for await (const bytes of stream.source) expect(bytes).toBeUndefined() // no answer to junk
}

describe('a request', () => {
  test('is answered', async () => {
    expect(await within(echo('hello'))).toBe('hello!')
  })

  test('may have no response', async () => {
    answer = async () => undefined
    expect(await within(echo('hello'))).toBeUndefined()
  })

  test('that is never answered ends at the deadline, on both sides', async () => {
    answer = () => new Promise(() => undefined)
    await expect(within(echo('hello'))).rejects.toMatchObject({ code: 'PEER_TIMEOUT' })
    await clock.advance(100)
    expect(answerSignal?.aborted).toBe(true)
    expect(reports).toEqual([])
  })

  test('is given up with its signal', async () => {
    answer = () => new Promise(() => undefined)
    const control = new AbortController()
    const asked = echo('hello', control.signal)
    await clock.advanceUntil(() => answerSignal !== undefined, { maxMs: 100 })
    control.abort(new Error('no more'))
    await expect(within(asked)).rejects.toThrow('no more')
  })

  test('to a peer that is not connected fails at once', async () => {
    await within(a.disconnect('b'))
    await expect(within(echo('hello'))).rejects.toMatchObject({ code: 'PEER_UNREACHABLE' })
  })

  test('is refused by what has stopped, and answered after a new start', async () => {
    await within(answering.stop())
    await expect(within(echo('hello'))).rejects.toThrow()
    answering.start()
    expect(await within(echo('hello'))).toBe('hello!')
  })
})

test('an answer that takes long is announced again and again, and comes all the same', async () => {
  const slow = { ...ECHO, id: '/test/slow/1.0.0', timeoutMs: 10_000, beatMs: 100 }
  const answeringSlowly = createAnswering(
    { host: b, clock, log: silentLogger, onMisbehaviour: () => undefined },
    slow,
    {
      maxStreamsPerPeer: 1,
      answer: (request, { signal }) => clock.sleep(1_000, signal).then(() => `${request}!`),
    },
  )
  answeringSlowly.start()
  let heard = 0
  const question = { peer: 'b', request: 'hello', signal: new AbortController().signal }
  const onHeard = (): void => void (heard += 1)
  expect(await within(ask({ host: a, clock }, slow, { ...question, onHeard }))).toBe('hello!')
  expect(heard).toBeGreaterThanOrEqual(10)
  await within(answeringSlowly.stop())
})

test('an answer counts as memory held, even where the peer does not take the word that it is made', async () => {
  const slow = { ...ECHO, id: '/test/stalled/1.0.0', beatMs: 100 }
  const handle = vi.spyOn(b, 'handle')
  const held: number[] = []
  const budget: AnswerBudget = {
    hold: (_peer, bytes, act) => (held.push(bytes), act()),
    send: async () => undefined,
  }
  const deps = { host: b, clock, log: silentLogger, onMisbehaviour: () => undefined, budget }
  const answeringSlowly = createAnswering(deps, slow, {
    maxStreamsPerPeer: 1,
    answer: async (request) => `${request}!`,
  })
  answeringSlowly.start()
  const handler = handle.mock.lastCall?.[1]
  if (handler === undefined) throw new Error('nobody answers')
  const written = vi.fn(() => new Promise<void>(() => undefined))
  const abort = vi.fn()
  const source = createInboundQueue({ maxBytes: 1_000, onOverflow: () => undefined })
  source.push(encodeFrame(Buffer.from('hello')))
  source.end()
  const stalled = { peer: 'a', protocol: slow.id, source, write: written, abort }
  await within(Promise.resolve(handler({ ...stalled, end: async () => undefined })))
  expect(written).toHaveBeenCalledTimes(1)
  expect(held).toEqual(['hello!'.length])
  expect(abort).toHaveBeenCalledTimes(1)
  await within(answeringSlowly.stop())
})

describe('errors', () => {
  test('of our own stay here: the peer sees a reset and nothing else', async () => {
    answer = async () => {
      throw new Error('the password is tomato')
    }
    const error: unknown = await within(echo('hello')).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(Error)
    expect(String(error)).not.toContain('tomato')
    expect(reports).toEqual([])
  })

  test('of a request that no honest peer sends are reported', async () => {
    answer = async () => {
      throw new CatalogError('PEER_MISBEHAVED', 'asked too much')
    }
    await expect(within(echo('hello'))).rejects.toThrow()
    expect(reports).toEqual(['a: asked too much'])
  })

  test.each([
    ['a malformed request', [encodeFrame(Buffer.from('?'))]],
    ['two requests', [encodeFrame(Buffer.from('one')), encodeFrame(Buffer.from('two'))]],
    ['a request that is too long', [encodeFrame(Buffer.alloc(65, 0x61))]],
    ['a length of gigabytes', [Buffer.from('ffffffff', 'hex')]],
  ])('%s is reported', async (_what, parts) => {
    await within(send(...parts)).catch(() => undefined) // the stream is reset
    expect(reports).toHaveLength(1)
  })

  test('no request at all is no offence', async () => {
    await within(send()).catch(() => undefined) // the stream is reset
    expect(reports).toEqual([])
  })

  test('of a malformed response reach the caller, who knows the peer', async () => {
    answer = async () => '?'
    await expect(within(echo('hello'))).rejects.toMatchObject({ code: 'PEER_MISBEHAVED' })
  })
})
