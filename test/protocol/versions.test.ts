/**
 * Peers of other versions: a later one that says more, and one that does not speak the protocol at all. Neither is a liar,
 * and neither keeps anybody from an artifact.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { CatalogNode } from '../../core/src/api.ts'
import { createMemoryNetwork, type MemoryNetwork } from '../../core/src/host/memory-host.ts'
import { createNode } from '../../core/src/node.ts'
import { encodeFrame, readFrames } from '../../core/src/wire/frames.ts'
import {
  decodeAnswer,
  encodeRequest,
  TRANSFER_PROTOCOL,
} from '../../core/src/wire/transfer-messages.ts'
import { blob } from '../support/blobs.ts'
import { answering, hostilePeer, serving, type HostilePeer } from '../support/hostile-peer.ts'
import { readAll } from '../support/read-all.ts'
import { until } from '../support/until.ts'

const wanted = blob(300_000, 1)
/** Version 2, four encodings of which 0x63 and 0x64 are new, and fields that version 1 does not know. */
const LATER_HELLO = encodeFrame(Buffer.of(1, 2, 4, 0x63, 1, 0x64, 3, 0xde, 0xad, 0xbe, 0xef))

let network: MemoryNetwork
let node: CatalogNode
const others: HostilePeer[] = []

beforeEach(async () => {
  network = createMemoryNetwork()
  const options = { network: { dht: false, peerExchange: false } }
  node = await createNode(options, { host: network.createHost('node') })
})
afterEach(async () => {
  for (const other of others.splice(0)) await other[Symbol.asyncDispose]()
  await node.close()
})

async function addPeer(options: Parameters<typeof hostilePeer>[0]): Promise<HostilePeer> {
  const other = await hostilePeer({ host: network.createHost('other'), ...options })
  others.push(other)
  await other.host.connect('/memory/node', { signal: AbortSignal.timeout(5_000) })
  return other
}

const claimed = (): boolean => node.peers().some(({ artifacts }) => artifacts > 0)

describe('a later version', () => {
  test('gives us artifacts', async () => {
    await addPeer({
      claims: [wanted],
      behave: async (stream) => {
        const serve = answering(serving(wanted.bytes, 1024 * 1024))
        // Its own hello instead of the one that a peer of this version would send.
        let greeted = false
        await serve({
          ...stream,
          source: stream.source,
          write: async (bytes) => {
            const first = !greeted
            greeted = true
            await stream.write(first ? LATER_HELLO : bytes)
          },
        })
      },
    })
    await until(claimed)
    const artifact = await node.get(wanted.digest)
    expect(artifact.source).toBe('peer')
    expect(Buffer.compare(await readAll(artifact.body), wanted.bytes)).toBe(0)
    expect(node.stats().misbehaviour).toBe(0)
  })

  test('gets artifacts from us, in an encoding that both know', async () => {
    const text = Buffer.alloc(100_000, 'compressible ')
    const digest = await node.put(text)
    const other = await addPeer({})
    const stream = await other.open('node')
    await stream.write(LATER_HELLO)
    await stream.write(encodeRequest({ type: 'want', id: 1, digest }))
    const answers: ReturnType<typeof decodeAnswer>[] = []
    for await (const batch of readFrames(stream.source, { maxFrameBytes: 1e7 })) {
      answers.push(...batch.map(decodeAnswer))
      if (answers.some(({ type }) => type === 'chunk')) break
    }
    expect(answers).toMatchObject([
      { type: 'hello', version: 1 },
      { type: 'manifest', size: 100_000 },
      { type: 'chunk', encoding: 'zstd' },
    ])
    expect(node.stats().misbehaviour).toBe(0)
  })
})

describe('a peer that speaks another protocol', () => {
  test('is asked in vain, not banned, and nobody waits for it', async () => {
    const other = await addPeer({ claims: [wanted] })
    const { host } = other
    // As if it had moved on to an incompatible version.
    host.handle(TRANSFER_PROTOCOL, (stream) => stream.abort(new Error('not spoken here')), {
      maxStreamsPerPeer: 1,
    })
    await until(claimed)
    const body = (async function* () {
      yield wanted.bytes
    })()
    const artifact = await node.get(wanted.digest, {
      origin: { visibility: 'public', open: async () => ({ size: wanted.bytes.byteLength, body }) },
    })
    expect(artifact.source).toBe('origin')
    expect(node.stats()).toMatchObject({ misbehaviour: 0, bannedPeers: 0, peers: 1 })
  })
})
