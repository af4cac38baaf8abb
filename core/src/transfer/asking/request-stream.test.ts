import { describe, expect, test } from 'vitest'
import { blob, CHUNK_SIZE } from '../../../../test/support/blobs.ts'
import { createFakeClock } from '../../../../test/support/fake-clock.ts'
import { streamPair } from '../../../../test/support/stream-pair.ts'
import { until } from '../../../../test/support/until.ts'
import { compressChunk } from '../../content/compression.ts'
import { describeBytes } from '../../content/manifest.ts'
import { isCatalogError, type ErrorCode } from '../../errors.ts'
import { encodeFrame, readFrames } from '../../wire/frames.ts'
import {
  decodeRequest,
  encodeAnswer,
  type Answer,
  type Request,
} from '../../wire/transfer-messages.ts'
import { createRequestStream } from './request-stream.ts'
import { ANSWER_DEADLINE_MS, MAX_CANCELLED, MAX_OUTSTANDING } from './request-table.ts'
import { SILENCE_MS } from './silence-watch.ts'

const never = new AbortController().signal
const small = blob(1000)
const large = blob(3 * CHUNK_SIZE)
const { leaves } = describeBytes(large.digest, large.bytes, CHUNK_SIZE)
const inline = { type: 'manifest', chunkSize: CHUNK_SIZE, leaves: new Uint8Array(0) } as const
const hello: Answer = { type: 'hello', version: 1, encodings: [] }
const withCode = (code: ErrorCode) =>
  expect.toSatisfy((error: unknown) => isCatalogError(error, code))

type Asked = Exclude<Request, { type: 'hello' }>

/** A request stream and a peer that does what the test says. */
function world(
  options: {
    greet?: boolean
    maxArtifactBytes?: number
    encodings?: 'zstd'[]
    heardBytes?: () => number
  } = {},
) {
  const pair = streamPair()
  const clock = createFakeClock()
  const misbehaviour: string[] = []
  const asked: Asked[] = []
  const hellos: Request[] = []
  let closed = 0
  const stream = createRequestStream(
    pair.local,
    {
      clock,
      onMisbehaviour: (reason) => misbehaviour.push(reason),
      onClosed: () => closed++,
      ...(options.heardBytes && { heardBytes: options.heardBytes }),
    },
    {
      encodings: options.encodings ?? ['zstd'],
      maxArtifactBytes: options.maxArtifactBytes ?? 1e9,
    },
  )
  const send = (...answers: (Answer | Uint8Array)[]): void => {
    for (const answer of answers) {
      pair.remote
        .write(answer instanceof Uint8Array ? answer : encodeAnswer(answer))
        .catch(() => undefined) // reset by the other side, which is what is tested
    }
  }
  const peer = (async () => {
    for await (const batch of readFrames(pair.remote.source, { maxFrameBytes: 1024 })) {
      for (const frame of batch) {
        const request = decodeRequest(frame)
        if (request.type === 'hello') hellos.push(request)
        else asked.push(request)
      }
    }
  })().catch(() => undefined)
  if (options.greet ?? true) send(hello)
  /** The next request that the peer has got. */
  const next = async (): Promise<Asked> => {
    await until(() => asked.length > 0)
    const request = asked.shift()
    if (request === undefined) throw new Error('no request')
    return request
  }
  return {
    ...pair,
    clock,
    stream,
    send,
    next,
    asked,
    hellos,
    misbehaviour,
    peer,
    closed: () => closed,
  }
}

const chunkOf = (id: number, index: number, bytes: Uint8Array): Answer => ({
  type: 'chunk',
  id,
  index,
  encoding: 'none',
  bytes,
})

describe('want', () => {
  test('a small artifact comes whole, after its manifest', async () => {
    const { stream, send, next } = world()
    const wanted = stream.want(small.digest, { signal: never })
    const { id, type } = await next()
    expect(type).toBe('want')
    expect(stream.outstanding).toBe(1)
    send({ ...inline, id, size: 1000, present: undefined }, chunkOf(id, 0, small.bytes))
    const { bytes } = await wanted
    expect(Buffer.compare(bytes ?? Buffer.of(), small.bytes)).toBe(0)
    expect(stream.outstanding).toBe(0)
    expect(stream.receivedBytes).toBeGreaterThan(1000)
  })

  test('word that an answer will come is none of its bytes, however it is cut; it is heard all the same', async () => {
    const { stream, send, next } = world()
    const wanted = stream.want(small.digest, { signal: never })
    const { id } = await next()
    const word = encodeAnswer({ type: 'wait', id })
    send(Buffer.concat([...Array<Uint8Array>(1000).fill(word), word.subarray(0, 5)]))
    await until(() => stream.heardBytes === 9 * 1000 + 5)
    expect(stream.receivedBytes).toBe(5)
    send(word.subarray(5))
    await until(() => stream.heardBytes === 9 * 1001)
    expect(stream.receivedBytes).toBe(5) // it never shrinks
    send({ ...inline, id, size: 1000, present: undefined }, chunkOf(id, 0, small.bytes))
    await wanted
    expect(stream.receivedBytes).toBe(stream.heardBytes - 9 * 1001)
  })

  test('an empty artifact', async () => {
    const { stream, send, next } = world()
    const wanted = stream.want(small.digest, { signal: never })
    const { id } = await next()
    send({ ...inline, id, size: 0, present: undefined }, chunkOf(id, 0, new Uint8Array(0)))
    expect((await wanted).bytes).toHaveLength(0)
  })

  test('a large one comes as its manifest, kept apart from what was read', async () => {
    const { stream, send, next } = world()
    const wanted = stream.want(large.digest, { signal: never })
    const { id } = await next()
    const frame = encodeAnswer({ ...inline, id, size: 3 * CHUNK_SIZE, leaves, present: undefined })
    send(frame)
    const { manifest, bytes } = await wanted
    frame.fill(0)
    expect(bytes).toBeUndefined()
    expect(Buffer.compare(manifest.leaves, leaves)).toBe(0)
  })

  test('a peer that says nothing more: the stream is given up, with all that waits; it is no liar', async () => {
    const { stream, send, next, clock, misbehaviour, closed } = world()
    const answered = stream.want(small.digest, { signal: never })
    send({ type: 'status', id: (await next()).id, status: 'not-found' })
    await expect(answered).rejects.toEqual(withCode('NOT_FOUND'))
    await clock.advance(10 * SILENCE_MS) // nothing is owed
    const wanted = Array.from({ length: MAX_OUTSTANDING + 1 }, async () =>
      stream.want(small.digest, { signal: never }),
    )
    const settled = Promise.allSettled(wanted)
    await next()
    await clock.advance(SILENCE_MS - 2_000)
    expect(stream.failed).toBe(false)
    await clock.advance(4_000)
    for (const outcome of await settled) {
      expect(outcome).toEqual({ status: 'rejected', reason: withCode('PEER_TIMEOUT') })
    }
    expect({ failed: stream.failed, misbehaviour, closed: closed() }).toEqual({
      ...{ failed: true, misbehaviour: [], closed: 1 },
    })
    expect(clock.sleepers).toBeLessThanOrEqual(1) // the sweep of the deadlines
    await clock.advance(1_000)
    expect(clock.sleepers).toBe(0)
  })

  test('one that is never answered while the peer sends other things ends, and is called off', async () => {
    let heard = 0
    const { stream, next, clock } = world({ heardBytes: () => heard++ })
    const wanted = stream.want(small.digest, { signal: never })
    const { id } = await next()
    await Promise.all([
      expect(wanted).rejects.toEqual(withCode('PEER_TIMEOUT')),
      clock.advance(ANSWER_DEADLINE_MS + 1_000),
    ])
    expect(await next()).toEqual({ type: 'cancel', id })
    expect(stream.failed).toBe(false)
    expect(stream.outstanding).toBe(0)
  })

  test('answers come in any order', async () => {
    const { stream, send, next } = world()
    const wanted = [1, 2, 3].map(async () => stream.want(small.digest, { signal: never }))
    const ids = [(await next()).id, (await next()).id, (await next()).id]
    expect(new Set(ids).size).toBe(3)
    for (const id of ids.reverse()) {
      send({ ...inline, id, size: 1000, present: undefined })
    }
    for (const id of ids) send(chunkOf(id, 0, small.bytes))
    for (const each of wanted) expect((await each).bytes).toHaveLength(1000)
  })

  test.each([
    ['not-found', 'NOT_FOUND'],
    ['busy', 'PEER_BUSY'],
    ['refused', 'PEER_REFUSED'],
    ['bad-request', 'PEER_REFUSED'],
    ['cancelled', 'PEER_REFUSED'],
  ] as const)('status %s is %s', async (status, code) => {
    const { stream, send, next } = world()
    const wanted = stream.want(small.digest, { signal: never })
    send({ type: 'status', id: (await next()).id, status })
    await expect(wanted).rejects.toEqual(withCode(code))
    expect(stream.failed).toBe(false)
  })

  test('one larger than we take is refused by us, and its peer not blamed for sending it', async () => {
    const { stream, send, next, misbehaviour } = world({ maxArtifactBytes: 999 })
    const wanted = stream.want(small.digest, { signal: never })
    const { id } = await next()
    send({ ...inline, id, size: 1000, present: undefined }, chunkOf(id, 0, small.bytes))
    await expect(wanted).rejects.toEqual(withCode('PEER_REFUSED'))
    const again = stream.want(small.digest, { signal: never })
    const cancel = await next()
    expect(cancel).toEqual({ type: 'cancel', id })
    send({ type: 'status', id: (await next()).id, status: 'not-found' })
    await expect(again).rejects.toEqual(withCode('NOT_FOUND'))
    expect(misbehaviour).toEqual([])
  })
})

describe('wantChunk', () => {
  test('plain and compressed', async () => {
    const { stream, send, next } = world()
    const text = Buffer.alloc(5000, 'compressible ')
    const options = { signal: never }
    const wanted = [0, 1].map(async (index) =>
      stream.wantChunk(large.digest, { index, size: 5000, leaf: Buffer.alloc(32) }, options),
    )
    const packed = await compressChunk('zstd', text)
    if (packed === undefined) throw new Error('it compresses')
    send(chunkOf((await next()).id, 0, text))
    send({ type: 'chunk', id: (await next()).id, index: 1, encoding: 'zstd', bytes: packed })
    for (const each of wanted) expect(Buffer.compare(await each, text)).toBe(0)
  })
})

describe('what is a lie', () => {
  const bomb = async (): Promise<Uint8Array> =>
    (await compressChunk('zstd', Buffer.alloc(100_000))) ?? Buffer.of()

  test.each<[string, (id: number) => (Answer | Uint8Array)[] | Promise<(Answer | Uint8Array)[]>]>([
    ['an answer to another id', (id) => [{ type: 'status', id: id + 1, status: 'busy' }]],
    [
      'a second answer',
      (id) => {
        const status: Answer = { type: 'status', id, status: 'busy' }
        return [status, status]
      },
    ],
    ['a chunk before its manifest', (id) => [chunkOf(id, 0, small.bytes)]],
    [
      'another chunk',
      (id) => [{ ...inline, id, size: 1000, present: undefined }, chunkOf(id, 1, small.bytes)],
    ],
    [
      'two manifests',
      (id) => {
        const manifest: Answer = { ...inline, id, size: 1000, present: undefined }
        return [manifest, manifest]
      },
    ],
    [
      'a chunk that is too long',
      (id) => [{ ...inline, id, size: 999, present: undefined }, chunkOf(id, 0, small.bytes)],
    ],
    [
      'a chunk that is too short',
      (id) => [{ ...inline, id, size: 1001, present: undefined }, chunkOf(id, 0, small.bytes)],
    ],
    [
      'an encoding that was not offered',
      (id) => [
        { ...inline, id, size: 1000, present: undefined },
        { type: 'chunk', id, index: 0, encoding: 'gzip', bytes: Buffer.of(1) },
      ],
    ],
    [
      'a chunk that does not decompress',
      (id) => [
        { ...inline, id, size: 1000, present: undefined },
        { type: 'chunk', id, index: 0, encoding: 'zstd', bytes: Buffer.of(1, 2, 3) },
      ],
    ],
    [
      'a chunk that decompresses to too much',
      async (id) => [
        { ...inline, id, size: 1000, present: undefined },
        { type: 'chunk', id, index: 0, encoding: 'zstd', bytes: await bomb() },
      ],
    ],
    ['a second hello', () => [hello]],
    ['an unknown message', () => [encodeFrame(Buffer.of(99, 0, 0, 0, 0))]],
    ['a frame that is too long', () => [Buffer.of(255, 0, 0, 0)]],
    ['an empty frame', () => [Buffer.of(0, 0, 0, 0)]],
  ])('%s: the stream is reset, all its requests fail, it is reported once', async (_, answers) => {
    const { stream, send, next, misbehaviour, peer, closed } = world()
    const wanted = [1, 2].map(async () => stream.want(small.digest, { signal: never }))
    const settled = Promise.allSettled(wanted)
    await next()
    send(...(await answers((await next()).id)))
    const outcomes = await settled
    expect(outcomes[0]).toMatchObject({ status: 'rejected', reason: withCode('PEER_MISBEHAVED') })
    expect(misbehaviour).toHaveLength(1)
    expect(stream.failed).toBe(true)
    expect(closed()).toBe(1)
    await peer
    await expect(stream.want(small.digest, { signal: never })).rejects.toEqual(
      withCode('PEER_MISBEHAVED'),
    )
  })

  test('an answer before the hello', async () => {
    const { stream, send, next, misbehaviour } = world({ greet: false })
    const wanted = stream.want(small.digest, { signal: never })
    const failed = expect(wanted).rejects.toEqual(withCode('PEER_MISBEHAVED'))
    send({ type: 'status', id: (await next()).id, status: 'busy' })
    await failed
    expect(misbehaviour).toHaveLength(1)
  })

  test('an end inside a frame', async () => {
    const { stream, send, next, remote, misbehaviour } = world()
    const failed = expect(stream.want(small.digest, { signal: never })).rejects.toEqual(
      withCode('PEER_MISBEHAVED'),
    )
    await next()
    send(Buffer.of(0, 0, 0, 9, 1))
    await remote.end()
    await failed
    expect(misbehaviour).toHaveLength(1)
  })
})

describe('what is no lie', () => {
  test('an end between frames, or a reset', async () => {
    for (const leave of ['end', 'abort'] as const) {
      const { stream, next, remote, misbehaviour, closed } = world()
      const failed = expect(stream.want(small.digest, { signal: never })).rejects.toEqual(
        withCode('PEER_UNREACHABLE'),
      )
      await next()
      if (leave === 'end') await remote.end()
      else remote.abort(new Error('power cut'))
      await failed
      expect(misbehaviour).toEqual([])
      expect(closed()).toBe(1)
    }
  })
})

describe('cancelling', () => {
  test('rejects with the reason at once, tells the peer, and takes whatever still comes', async () => {
    const { stream, send, next, misbehaviour } = world()
    const stop = new AbortController()
    const reason = new Error('another peer was quicker')
    const options = { signal: stop.signal }
    const cancelledWants = [1, 2, 3].map(async () => stream.want(small.digest, options))
    const settled = Promise.allSettled(cancelledWants)
    const ids = [(await next()).id, (await next()).id, (await next()).id] as const
    send({ ...inline, id: ids[2], size: 1000, present: undefined })
    stop.abort(reason)
    expect(await settled).toEqual(ids.map(() => ({ status: 'rejected', reason })))
    expect(stream.outstanding).toBe(0)
    for (const id of ids) expect(await next()).toEqual({ type: 'cancel', id })
    send(
      { type: 'status', id: ids[0], status: 'cancelled' },
      { ...inline, id: ids[1], size: 1000, present: undefined },
      chunkOf(ids[1], 0, small.bytes),
      chunkOf(ids[2], 0, small.bytes),
    )
    const wanted = stream.want(small.digest, { signal: never })
    send({ type: 'status', id: (await next()).id, status: 'not-found' })
    await expect(wanted).rejects.toEqual(withCode('NOT_FOUND'))
    expect(misbehaviour).toEqual([])
  })

  test('an answer to a cancelled request comes once, too', async () => {
    const { stream, send, next, misbehaviour } = world()
    const stop = new AbortController()
    const wanted = stream.want(small.digest, { signal: stop.signal })
    const { id } = await next()
    stop.abort(new Error('over'))
    await expect(wanted).rejects.toThrow('over')
    const status: Answer = { type: 'status', id, status: 'cancelled' }
    send(status, status)
    await until(() => stream.failed)
    expect(misbehaviour).toHaveLength(1)
  })

  test.each<[string, (id: number) => Answer[]]>([
    [
      'manifests without end',
      (id) => {
        const manifest: Answer = { ...inline, id, size: 1000, present: undefined }
        return [manifest, manifest]
      },
    ],
    ['a chunk before its manifest', (id) => [chunkOf(id, 0, small.bytes)]],
    [
      'another chunk',
      (id) => [{ ...inline, id, size: 1000, present: undefined }, chunkOf(id, 1, small.bytes)],
    ],
  ])('%s for a cancelled request are a lie as well', async (_, answers) => {
    const { stream, send, next, misbehaviour } = world()
    const stop = new AbortController()
    const wanted = stream.want(small.digest, { signal: stop.signal })
    const { id } = await next()
    stop.abort(new Error('over'))
    await expect(wanted).rejects.toThrow('over')
    send(...answers(id))
    await until(() => stream.failed)
    expect(misbehaviour).toHaveLength(1)
  })

  test('thousands of cancelled requests that the peer answers do not end the stream', async () => {
    const { stream, send, next, misbehaviour } = world()
    for (let round = 0; round < 2 * MAX_CANCELLED; round += 16) {
      const stop = new AbortController()
      const wanted = Array.from({ length: 16 }, async () =>
        stream.want(small.digest, { signal: stop.signal }),
      )
      const settled = Promise.allSettled(wanted)
      const ids: number[] = []
      for (let count = 0; count < 16; count++) ids.push((await next()).id)
      stop.abort(new Error('over'))
      await settled
      for (let count = 0; count < 16; count++) expect((await next()).type).toBe('cancel')
      for (const id of ids) send({ type: 'status', id, status: 'cancelled' })
    }
    await until(() => stream.outstanding === 0)
    expect(stream.failed).toBe(false)
    expect(misbehaviour).toEqual([])
  })

  test('a peer that answers none of them is stuck, not a liar', async () => {
    const { stream, misbehaviour } = world()
    for (let count = 0; count <= MAX_CANCELLED && !stream.failed; count++) {
      const stop = new AbortController()
      const wanted = stream.want(small.digest, { signal: stop.signal })
      await Promise.resolve()
      await Promise.resolve()
      stop.abort(new Error('over'))
      await wanted.catch(() => undefined)
    }
    expect(stream.failed).toBe(true)
    expect(misbehaviour).toEqual([])
  })

  test('one that waits for its turn leaves at once, without a word to the peer', async () => {
    const { stream, send, next, asked } = world()
    const wanted = Array.from({ length: MAX_OUTSTANDING }, async () =>
      stream.want(small.digest, { signal: never }),
    )
    const stop = new AbortController()
    const waiting = Array.from({ length: 3 * MAX_OUTSTANDING }, async () =>
      stream.want(small.digest, { signal: stop.signal }),
    )
    const last = stream.want(small.digest, { signal: never })
    const outcomes = Promise.allSettled([...wanted, last])
    expect(stream.outstanding).toBe(4 * MAX_OUTSTANDING + 1)
    stop.abort(new Error('over'))
    for (const each of waiting) await expect(each).rejects.toThrow('over')
    await until(() => asked.length === MAX_OUTSTANDING)
    for (let count = 0; count <= MAX_OUTSTANDING; count++) {
      const request = await next()
      expect(request.type).toBe('want')
      send({ type: 'status', id: request.id, status: 'not-found' })
    }
    for (const outcome of await outcomes) {
      expect(outcome).toEqual({ status: 'rejected', reason: withCode('NOT_FOUND') })
    }
  })

  test('an aborted signal asks nothing', async () => {
    const { stream, asked } = world()
    const reason = new Error('before')
    await expect(stream.want(small.digest, { signal: AbortSignal.abort(reason) })).rejects.toBe(
      reason,
    )
    expect(stream.outstanding).toBe(0)
    expect(asked).toEqual([])
  })
})

describe('close', () => {
  test('fails what is under way and what waits, with its reason', async () => {
    const { stream, next, misbehaviour, closed } = world()
    const wanted = Array.from({ length: MAX_OUTSTANDING + 5 }, async () =>
      stream.want(small.digest, { signal: never }),
    )
    const settled = Promise.allSettled(wanted)
    await next()
    const reason = new Error('the node has stopped')
    stream.close(reason)
    stream.close(new Error('again'))
    for (const outcome of await settled) expect(outcome).toEqual({ status: 'rejected', reason })
    expect(stream.outstanding).toBe(0)
    expect(misbehaviour).toEqual([])
    expect(closed()).toBe(1)
  })
})

describe('hello', () => {
  test('goes first and says what we understand', async () => {
    const { hellos, next, stream } = world({ encodings: ['zstd'] })
    stream.want(small.digest, { signal: never }).catch(() => undefined) // never answered
    await next()
    expect(hellos).toEqual([{ type: 'hello', version: 1, encodings: ['zstd'] }])
    stream.close(new Error('over'))
  })
})
