/**
 * Peers that speak the real protocol over real QUIC and lie, stall or flood: no bad byte reaches who asked, the artifact
 * comes intact from another source, liars are banned and stay out, slow ones are not taken for liars, and what it costs is
 * bounded. (What a silent peer costs in time: core/src/transfer/hedge.test.ts, on a clock that stands still.)
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { CatalogNode, Origin } from '../../core/src/api.ts'
import { describeBytes } from '../../core/src/content/manifest.ts'
import { leafAt } from '../../core/src/content/merkle.ts'
import { isCatalogError } from '../../core/src/errors.ts'
import type { ByteStream } from '../../core/src/host/host.ts'
import { createNode } from '../../core/src/node.ts'
import { encodeFrame } from '../../core/src/wire/frames.ts'
import {
  encodeRequest,
  TRANSFER_PROTOCOL,
  type Answer,
} from '../../core/src/wire/transfer-messages.ts'
import { blob, type Blob } from '../support/blobs.ts'
import {
  answering,
  dribbling,
  HELLO,
  hostilePeer,
  QUIC_LOOPBACK,
  serving,
  type Answering,
  type Behaviour,
  type HostilePeer,
} from '../support/hostile-peer.ts'
import { readAll } from '../support/read-all.ts'
import { until } from '../support/until.ts'

const MiB = 1024 * 1024
const CHUNK = 64 * 1024
const small = blob(50_000, 1)
const large = blob(3 * MiB + 17, 2)
const otherSmall = blob(50_000, 3)
const otherLarge = blob(3 * MiB + 17, 4)
const decoy = blob(50_000, 5)
const largeLeaves = describeBytes(large.digest, large.bytes, CHUNK).leaves
const largeDecoy = blob(3 * MiB + 17, 6)
const never = new Promise<void>(() => undefined)

const nodes: CatalogNode[] = []
const liars: HostilePeer[] = []
let victim: CatalogNode

async function startNode(): Promise<CatalogNode> {
  const node = await createNode({ network: QUIC_LOOPBACK, transfer: { chunkSize: CHUNK } })
  nodes.push(node)
  return node
}

async function startLiar(claims: readonly Blob[], behave: Behaviour): Promise<HostilePeer> {
  const liar = await hostilePeer({ claims, behave })
  liars.push(liar)
  await liar.host.connect(addressOf(victim), { signal: AbortSignal.timeout(10_000) })
  // Some give themselves away on the session that is opened at once.
  await until(() => claimed(liar.id) >= claims.length || victim.stats().misbehaviour > 0)
  return liar
}

function claimed(peer: string): number {
  return victim.peers().find((other) => other.peer === peer)?.artifacts ?? 0
}

function addressOf(node: CatalogNode): string {
  const address = node.stats().addresses.find((text) => text.includes('/quic-v1'))
  if (address === undefined) throw new Error('the node listens on no QUIC address')
  return address
}

/** An origin that has these bytes, as soon as `isReady`; counts how often it was opened. */
function originOf({ bytes }: Blob, isReady?: () => boolean): Origin & { opened: number } {
  const origin = {
    visibility: 'public' as const,
    opened: 0,
    async open() {
      origin.opened++
      if (isReady !== undefined) await until(isReady)
      const body = (async function* () {
        for (let at = 0; at < bytes.byteLength; at += 60_000) yield bytes.subarray(at, at + 60_000)
      })()
      return { size: bytes.byteLength, body }
    },
  }
  return origin
}

/** Gets it and checks every byte that is handed out, as it is handed out. */
async function getIntact(wanted: Blob, origin?: Origin): Promise<string> {
  const artifact = await victim.get(wanted.digest, origin ? { origin } : {})
  const got = await readAll(artifact.body)
  expect(Buffer.compare(got, wanted.bytes)).toBe(0)
  expect(victim.has(wanted.digest)).toBe(true)
  return artifact.source
}

/** For origins: one that is faster than the liar would leave nobody to catch. */
function hasLied(): boolean {
  return victim.stats().misbehaviour > 0
}

/** It lied: counted, thrown out, and not let in again. */
async function expectBanned(liar: HostilePeer): Promise<void> {
  await until(hasLied)
  await until(() => victim.stats().bannedPeers === 1)
  await until(() => victim.peers().every(({ peer }) => peer !== liar.id))
  await until(() => !liar.host.isConnected(victim.id))
  const signal = AbortSignal.timeout(10_000)
  // Whether the dial itself fails or the connection is dropped at once is the transport's business.
  const opening = liar.host
    .connect(addressOf(victim), { signal })
    .then(async () => liar.host.open(victim.id, TRANSFER_PROTOCOL, { signal }))
    .then(async (stream) => stream.source[Symbol.asyncIterator]().next())
  await expect(opening).rejects.toSatisfy((error) => isCatalogError(error))
  await until(() => victim.peers().every(({ peer }) => peer !== liar.id))
}

beforeEach(async () => {
  victim = await startNode()
})

afterEach(async () => {
  // All at once: each of them ends within 20 s, whatever state a failed test has left it in.
  await Promise.all([
    ...liars.splice(0).map(async (liar) => liar[Symbol.asyncDispose]()),
    ...nodes.splice(0).map(async (node) => node.close()),
  ])
})

const manifestOf = (id: number, size: number): Answer => ({
  type: 'manifest',
  ...{ id, size, chunkSize: CHUNK, leaves: new Uint8Array(0), present: undefined },
})
const chunkOf = (id: number, bytes: Uint8Array): Answer => ({
  type: 'chunk',
  ...{ id, index: 0, encoding: 'none', bytes },
})

/** What a lie about a small artifact can be. */
const LIES: Readonly<Record<string, Behaviour>> = {
  'wrong bytes': answering(serving(otherSmall.bytes, CHUNK)),
  truncated: answering(async ({ id }, { send, stream }) => {
    const frame = encodeFrame(
      Buffer.concat([Buffer.of(18, 0, 0, 0, id, 0, 0, 0, 0, 0), small.bytes]),
    )
    await send(manifestOf(id, small.bytes.byteLength), frame.subarray(0, frame.byteLength / 2))
    await stream.end()
  }),
  'too short': answering(async ({ id }, { send }) => {
    const bytes = small.bytes.subarray(1)
    await send(manifestOf(id, small.bytes.byteLength), chunkOf(id, bytes))
  }),
  'too long': answering(async ({ id }, { send }) => {
    const bytes = Buffer.concat([small.bytes, Buffer.alloc(1)])
    await send(manifestOf(id, small.bytes.byteLength), chunkOf(id, bytes))
  }),
  'a frame without end': answering(async (_, { send }) => {
    await send(Buffer.of(0xff, 0xff, 0xff, 0xff))
    for (let sent = 0; sent < 64 * MiB; sent += MiB) await send(Buffer.alloc(MiB, 18))
  }),
  'frames without end': answering(async ({ id }, { send }) => {
    for (;;) await send(manifestOf(id, small.bytes.byteLength))
  }),
  junk: async (stream) => {
    for (let turn = 0; turn < 64; turn++) await stream.write(blob(MiB, 1000).bytes)
  },
  'an answer to another id': answering(async ({ id }, { send }) => {
    const other = id + 1000
    await send(manifestOf(other, small.bytes.byteLength), chunkOf(other, small.bytes))
  }),
  'an answer before hello': async (stream) => {
    await stream.write(encodeFrame(Buffer.of(19, 0, 0, 0, 1, 1)))
    await never
  },
  'a chunk that decompresses to something else': answering(async ({ id }, { send }) => {
    await send(manifestOf(id, small.bytes.byteLength))
    await send({ type: 'chunk', id, index: 0, encoding: 'zstd', bytes: Buffer.from('not zstd') })
  }),
}

describe.each(Object.entries(LIES))('%s, of a small artifact', (_, behave) => {
  test('it comes from another peer; the liar is banned', async () => {
    const good = await startNode()
    await good.put(small.bytes)
    const liar = await startLiar([small, decoy], behave)
    await victim.connect(addressOf(good))
    await until(() => claimed(good.id) === 1)
    expect(await getIntact(small)).toBe('peer')
    await expectLie(decoy)
    await expectBanned(liar)
  })

  test('it comes from the origin; the liar is banned', async () => {
    const liar = await startLiar([small], behave)
    const origin = originOf(small, hasLied)
    expect(await getIntact(small, origin)).toBe('origin')
    expect(origin.opened).toBe(1)
    await expectBanned(liar)
  })

  test('nobody else has it: an error, not one byte, and the liar is banned', async () => {
    const liar = await startLiar([small], behave)
    await expect(victim.get(small.digest)).rejects.toSatisfy((e) =>
      isCatalogError(e, 'NO_PROVIDERS'),
    )
    expect(victim.has(small.digest)).toBe(false)
    await expectBanned(liar)
  })
})

/** The good peer may have been asked first, and the liar not at all: only the liar claims to hold this one. */
async function expectLie({ digest }: Blob): Promise<void> {
  await expect(victim.get(digest)).rejects.toSatisfy((e) => isCatalogError(e, 'NO_PROVIDERS'))
}

describe('a large artifact', () => {
  const answer = serving(large.bytes, CHUNK)
  const CHUNK_LIES: Readonly<Record<string, Answering>> = {
    'chunks of other bytes': async (request, reply) => {
      if (request.type === 'want') return await answer(request, reply)
      await serving(otherLarge.bytes, CHUNK)(request, reply)
    },
    'a chunk that is cut off': async (request, reply) => {
      if (request.type === 'want') return await answer(request, reply)
      await reply.send(Buffer.of(0, 1, 0, 10, 18, 0, 0))
      await reply.stream.end()
    },
    'chunks nobody asked for': async (request, reply) => {
      if (request.type === 'want') return await answer(request, reply)
      await answer({ ...request, index: request.index + 1 }, reply)
    },
    'a manifest of other bytes, and bytes that fit it': serving(otherLarge.bytes, CHUNK),
    'a manifest of another size': serving(otherLarge.bytes.subarray(0, 2 * MiB), CHUNK),
  }

  describe.each(Object.entries(CHUNK_LIES))('%s', (_, lie) => {
    test('it comes intact beside a good peer; the liar is banned', async () => {
      const liar = await startLiar([large, largeDecoy], answering(lie))
      await startGoodPeer()
      expect(await getIntact(large)).toBe('peer')
      await expectLie(largeDecoy)
      await expectBanned(liar)
    })

    test('it comes intact from the origin; the liar is banned', async () => {
      const liar = await startLiar([large], answering(lie))
      const origin = originOf(large, hasLied)
      expect(await getIntact(large, origin)).toBe('origin')
      await expectBanned(liar)
    })

    test('the origin is down, a good peer is there: it comes from the peer', async () => {
      await startLiar([large], answering(lie))
      await startGoodPeer()
      const down: Origin = {
        visibility: 'public',
        open: async () => Promise.reject(new Error('the registry is down')),
      }
      expect(await getIntact(large, down)).toBe('peer')
    })
  })
})

async function startGoodPeer(): Promise<void> {
  const good = await startNode()
  await good.put(large.bytes)
  await victim.connect(addressOf(good))
  await until(() => claimed(good.id) === 1)
}

describe('slow is not a lie', () => {
  const drip: Behaviour = answering(async ({ id }, { send }) => {
    const frame = encodeFrame(
      Buffer.concat([Buffer.of(18, 0, 0, 0, id, 0, 0, 0, 0, 0), small.bytes]),
    )
    await send(manifestOf(id, small.bytes.byteLength))
    for (const byte of frame) {
      await send(Buffer.of(byte))
      await new Promise((resolve) => setTimeout(resolve, 1_000).unref())
    }
  })
  const SLOW: Readonly<Record<string, Behaviour>> = {
    silent: async () => never,
    'silent after its hello': answering(async () => never),
    'one byte a second': drip,
  }

  test.each(Object.entries(SLOW))(
    '%s: it comes from elsewhere, nobody is banned',
    async (_, behave) => {
      const wanted = [small, otherSmall, decoy, blob(40_000, 50)]
      const slow = await startLiar(wanted, behave)
      for (const one of wanted) expect(await getIntact(one, originOf(one))).toBe('origin')
      expect(victim.stats()).toMatchObject({ misbehaviour: 0, bannedPeers: 0 })
      expect(victim.peers().map(({ peer }) => peer)).toEqual([slow.id])
    },
  )

  test('a large artifact from one that stalls in the middle comes from the origin', async () => {
    let sent = 0
    const answer = serving(large.bytes, CHUNK)
    const stalling = answering(async (request, reply) => {
      if (request.type === 'want-chunk' && ++sent > 10) await never
      await answer(request, reply)
    })
    await startLiar([large], stalling)
    expect(await getIntact(large, originOf(large))).toBe('origin')
    expect(victim.stats()).toMatchObject({ misbehaviour: 0, bannedPeers: 0 })
  })

  test('a peer that shuts down in the middle of an answer is not banned', async () => {
    const half = answering(async ({ id }, { send, stream }) => {
      await send(manifestOf(id, small.bytes.byteLength), Buffer.of(0, 1, 0, 0, 18, 0))
      stream.abort(new Error('shutting down'))
    })
    await startLiar([small], half)
    expect(await getIntact(small, originOf(small))).toBe('origin')
    expect(victim.stats()).toMatchObject({ misbehaviour: 0, bannedPeers: 0 })
  })
})

describe('a claim that would take hours', () => {
  const CLAIMS: Readonly<Record<string, () => Behaviour>> = {
    'of 4 GiB in the largest number of chunks, one a second': () =>
      answering(dribbling({ size: 4096 * MiB, chunkSize: MiB })),
    'of more chunks than are allowed': () =>
      answering(dribbling({ size: 4097 * CHUNK, chunkSize: CHUNK })),
    'and then silence': () => {
      const claim = dribbling()
      return answering(async (request, reply) => {
        if (request.type === 'want') await claim(request, reply)
      })
    },
  }

  test.each(Object.entries(CLAIMS))('%s: beside an origin', async (_, lie) => {
    const liar = await startLiar([small, large], lie())
    for (const wanted of [small, large]) {
      expect(await getIntact(wanted, originOf(wanted))).toBe('origin')
    }
    await expectBanned(liar)
  })

  test('three of them beside a good peer, with an origin that is silent and without', async () => {
    for (let count = 0; count < 3; count++) await startLiar([small, large], answering(dribbling()))
    const good = await startNode()
    for (const { bytes } of [small, large]) await good.put(bytes)
    await victim.connect(addressOf(good))
    await until(() => claimed(good.id) === 2)
    const silent = { ...originOf(small), open: async () => new Promise<never>(() => undefined) }
    expect(await getIntact(small)).toBe('peer')
    expect(await getIntact(large, silent)).toBe('peer')
  })
})

describe('a holder with an upload limit', { tags: ['long'] }, () => {
  // 64 kB/s: the second chunk of 1 MiB comes 16 s after the first, and 15 s of nothing are silence.
  test('that holds a chunk back for longer than silence may last is waited for', async () => {
    const wanted = blob(MiB + 300_000, 8)
    const holder = await createNode({
      network: QUIC_LOOPBACK,
      transfer: { chunkSize: MiB, uploadRate: 64_000 },
    })
    nodes.push(holder)
    await holder.put(wanted.bytes)
    await victim.connect(addressOf(holder))
    await until(() => claimed(holder.id) === 1)
    expect(await getIntact(wanted)).toBe('peer')
  })
})

describe('the only holder, with an origin that is down', () => {
  const down: Origin = {
    visibility: 'public',
    open: async () => Promise.reject(new Error('the registry is down')),
  }
  const HANG_UPS: Readonly<Record<string, (stream: ByteStream) => unknown>> = {
    'resets its stream': (stream) => stream.abort(new Error('on purpose')),
    'loses the connection': async () => liars[0]?.host.disconnect(victim.id),
  }

  test.each(Object.entries(HANG_UPS))('%s in the middle: it is asked again', async (_, hangUp) => {
    let answers = 0
    const serve = serving(large.bytes, CHUNK)
    const serveSmall = serving(small.bytes, CHUNK)
    const holder = await startLiar(
      [large, small],
      answering(async (request, reply) => {
        answers++
        if (answers === 1 || answers === 25) {
          await reply.stream.write(Buffer.of(0, 0, 1, 0, 18))
          await hangUp(reply.stream)
        } else {
          await (request.digest === small.digest ? serveSmall : serve)(request, reply)
        }
      }),
    )
    expect(await getIntact(small, down)).toBe('peer')
    await until(() => claimed(holder.id) === 2) // it may have been away
    expect(await getIntact(large, down)).toBe('peer')
    expect(answers).toBeGreaterThan(25)
    expect(victim.stats()).toMatchObject({ misbehaviour: 0, bannedPeers: 0 })
  })
})

describe('attacks on a node that serves', () => {
  beforeEach(async () => {
    await victim.put(small.bytes)
    await victim.put(large.bytes)
  })

  /** It still serves others. */
  async function expectServing(): Promise<void> {
    const good = await startNode()
    await good.connect(addressOf(victim))
    await until(() => good.peers().some(({ artifacts }) => artifacts === 2))
    for (const wanted of [small, large]) {
      const artifact = await good.get(wanted.digest)
      expect(Buffer.compare(await readAll(artifact.body), wanted.bytes)).toBe(0)
    }
  }

  const ATTACKS: Readonly<Record<string, Uint8Array>> = {
    junk: blob(MiB, 77).bytes,
    'no hello': encodeRequest({ type: 'want', id: 1, digest: small.digest }),
    'a frame that is too long': Buffer.concat([HELLO, Buffer.of(0, 16, 0, 0)]),
    'a second hello': Buffer.concat([HELLO, HELLO]),
    'an id twice': Buffer.concat([
      HELLO,
      ...[1, 1].map((id) => encodeRequest({ type: 'want', id, digest: large.digest })),
    ]),
  }
  test.each(Object.entries(ATTACKS))('%s: banned', async (_, bytes) => {
    const liar = await startLiar([], async () => never)
    const stream = await liar.open(victim.id)
    await stream.write(bytes).catch(() => undefined) // it may be thrown out while it writes
    await expectBanned(liar)
    await expectServing()
  })

  test('a flood of requests by one that reads nothing: bounded, and others are served', async () => {
    const liar = await startLiar([], async () => never)
    const before = process.memoryUsage()
    const streams = await Promise.all([1, 2, 3, 4].map(async () => liar.open(victim.id)))
    const flood = Promise.allSettled(
      streams.map(async (stream) => {
        await stream.write(HELLO)
        for (let id = 1; id <= 20_000; id++) {
          const index = id % 40
          const leaf = leafAt(largeLeaves, index)
          await stream.write(
            encodeRequest({ type: 'want-chunk', ...{ id, index, leaf }, digest: large.digest }),
          )
        }
      }),
    )
    try {
      await expectServing()
      const after = process.memoryUsage()
      // This process holds both ends: what the liar has been sent and does not read counts too.
      expect(after.rss - before.rss).toBeLessThan(300 * MiB)
    } finally {
      // Or it would go on beside the tests that follow.
      for (const stream of streams) stream.abort(new Error('enough'))
      await flood
    }
  })

  test('more streams than are allowed are reset, those within are served', async () => {
    const liar = await startLiar([], async () => never)
    const streams = await Promise.all(
      Array.from({ length: 12 }, async () => liar.open(victim.id).catch(() => undefined)),
    )
    const outcomes = await Promise.all(
      streams.map(async (stream) => {
        if (stream === undefined) return 'refused'
        try {
          await stream.write(HELLO)
          const first = await stream.source[Symbol.asyncIterator]().next()
          return first.done === true ? 'ended' : 'served'
        } catch {
          return 'reset'
        }
      }),
    )
    expect(outcomes.filter((outcome) => outcome === 'served').length).toBeLessThanOrEqual(4)
    expect(outcomes.filter((outcome) => outcome === 'served').length).toBeGreaterThan(0)
    await expectServing()
  })

  test(
    'a stream on which nothing is ever said is closed in the end, and is no lie',
    { tags: ['long'] },
    async () => {
      const liar = await startLiar([], async () => never)
      const stream = await liar.open(victim.id)
      const reading = stream.source[Symbol.asyncIterator]()
      // The protocol is negotiated with the first write: half a hello.
      await stream.write(HELLO.subarray(0, 3))
      expect((await reading.next()).done).toBe(false)
      await expect(reading.next()).rejects.toSatisfy((e) => isCatalogError(e, 'PEER_UNREACHABLE'))
      expect(victim.stats()).toMatchObject({ misbehaviour: 0, bannedPeers: 0 })
      await expectServing()
    },
  )
})

describe('memory', () => {
  test('stays bounded while one peer after another lies', async () => {
    const wanted = Array.from({ length: 25 }, (_, index) => blob(200_000, 100 + index))
    const endless = answering(async ({ id }, { send }) => {
      const frame = Buffer.alloc(4 * MiB)
      frame.writeUInt32BE(4 * MiB + 60)
      await send(manifestOf(id, CHUNK), frame)
    })
    globalThis.gc?.()
    const before = process.memoryUsage().rss
    for (const [index, one] of wanted.entries()) {
      // Each time a new identity: bans do not help here.
      const liar = await startLiar([one], endless)
      expect(await getIntact(one, originOf(one))).toBe('origin')
      liars.splice(liars.indexOf(liar), 1)
      await liar[Symbol.asyncDispose]()
      if (index % 5 === 4) globalThis.gc?.()
    }
    expect(process.memoryUsage().rss - before).toBeLessThan(400 * MiB)
    expect(victim.stats().activeDownloads).toBe(0)
  })
})
