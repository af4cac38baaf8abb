/**
 * A peer of ours with a transfer protocol of its own making: a bare host that tells the swarm it holds artifacts, as an
 * honest peer does, and then answers requests for them as the test says. Also asks as the test says.
 */
import { systemClock } from '../../core/src/timing/clock.ts'
import { digestOf } from '../../core/src/content/digest.ts'
import { describeBytes, type Description } from '../../core/src/content/manifest.ts'
import { hashLeaf } from '../../core/src/content/merkle.ts'
import { createSwarmDiscovery } from '../../core/src/discovery/swarm-discovery.ts'
import type { ByteStream, Host, PeerId } from '../../core/src/host/host.ts'
import { createLibp2pHost } from '../../core/src/host/libp2p/libp2p-host.ts'
import { stopAll } from '../../core/src/lifecycle.ts'
import { silentLogger } from '../../core/src/log.ts'
import { parseNodeOptions, type NodeOptions } from '../../core/src/options.ts'
import { readFrames } from '../../core/src/wire/frames.ts'
import {
  decodeRequest,
  encodeAnswer,
  encodeRequest,
  TRANSFER_PROTOCOL,
  type Answer,
  type Want,
  type WantFetch,
  type WantNamed,
  type WantChunk,
} from '../../core/src/wire/transfer-messages.ts'
import type { Blob } from './blobs.ts'

/** Everything on loopback, over QUIC alone, and found by nobody. */
export const QUIC_LOOPBACK: NonNullable<NodeOptions['network']> = {
  ...{ family: 'ipv4', port: 0, loopbackOnly: true, quic: true, tcp: false },
  ...{ mdns: false, dht: false, peerExchange: false, upnp: false },
  ...{ relayClient: false, relayServer: false },
}

/** Serves one stream that a victim has opened, however badly. */
export type Behaviour = (stream: ByteStream) => Promise<void>

/** What an answering behaviour does with one request. */
export type Answering = (
  request: Want | WantChunk,
  reply: {
    send(...answers: (Answer | Uint8Array)[]): Promise<void>
    readonly stream: ByteStream
  },
) => Promise<void>

export interface HostilePeer extends AsyncDisposable {
  readonly id: PeerId
  readonly host: Host
  /** Streams that victims have opened to it. */
  readonly streams: number
  /** Opens a stream of the transfer protocol to a victim. */
  open(victim: PeerId): Promise<ByteStream>
}

export async function hostilePeer(options: {
  /** What it claims to hold. */
  readonly claims?: readonly Blob[]
  readonly behave?: Behaviour
  /** Over real QUIC on loopback unless given. */
  readonly host?: Host
}): Promise<HostilePeer> {
  const { network } = parseNodeOptions({ network: QUIC_LOOPBACK })
  const deps = { log: silentLogger, clock: systemClock, random: Math.random }
  const host = options.host ?? createLibp2pHost(deps, { network, path: undefined })
  const discovery = createSwarmDiscovery(
    { ...deps, host, onMisbehaviour: () => undefined },
    { peerExchange: false, dht: false, targetPeers: 0 },
  )
  let streams = 0
  const handle: Behaviour = async (stream) => {
    streams++
    await options.behave?.(stream)
  }
  host.handle(TRANSFER_PROTOCOL, handle, { maxStreamsPerPeer: 16 })
  await host.start()
  await discovery.start()
  for (const { digest } of options.claims ?? []) discovery.announce(digest)
  return {
    id: host.id,
    host,
    get streams() {
      return streams
    },
    open: async (victim) =>
      host.open(victim, TRANSFER_PROTOCOL, { signal: AbortSignal.timeout(10_000) }),
    // With the deadline that a node has.
    [Symbol.asyncDispose]: () =>
      stopAll(
        [
          { name: 'host', start: () => host.start(), stop: () => host.stop() },
          { name: 'discovery', start: () => discovery.start(), stop: () => discovery.stop() },
        ],
        deps,
      ),
  }
}

/** Says hello and answers each request as told. */
export function answering(
  answer: Answering,
  answerNamed: (request: WantNamed | WantFetch) => Answer[] = () => [],
): Behaviour {
  return async (stream) => {
    const send = async (...answers: (Answer | Uint8Array)[]): Promise<void> => {
      for (const one of answers) {
        await stream.write(one instanceof Uint8Array ? one : encodeAnswer(one))
      }
    }
    await send({ type: 'hello', version: 1, encodings: [] })
    for await (const batch of readFrames(stream.source, { maxFrameBytes: 1024 })) {
      for (const frame of batch) {
        const request = decodeRequest(frame)
        if (request.type === 'want' || request.type === 'want-chunk') {
          await answer(request, { send, stream })
        } else if (request.type === 'want-named' || request.type === 'want-fetch') {
          await send(...answerNamed(request))
        }
      }
    }
  }
}

/** Answers as an honest peer would that holds these bytes; under whatever digest it is asked for. */
export function serving(bytes: Uint8Array, chunkSize: number): Answering {
  const described: Description = describeBytes(digestOf(bytes), bytes, chunkSize)
  return async ({ type, id, ...request }, { send }) => {
    const { size } = described.manifest
    const about = { type: 'manifest', id, size, chunkSize, present: undefined } as const
    if (type === 'want' && size <= chunkSize) {
      await send({ ...about, leaves: new Uint8Array(0) })
      await send({ type: 'chunk', id, index: 0, encoding: 'none', bytes })
    } else if (type === 'want') {
      await send({ ...about, leaves: described.leaves })
    } else {
      const index = 'index' in request ? request.index : 0
      const part = bytes.subarray(index * chunkSize, (index + 1) * chunkSize)
      await send({ type: 'chunk', id, index, encoding: 'none', bytes: part })
    }
  }
}

/**
 * Claims a huge artifact of zeros under whatever digest it is asked for, and sends one chunk of it after each pause. Every
 * chunk matches its leaf, so that the lie shows only when all of it has come: in hours.
 */
export function dribbling(
  options: { size?: number; chunkSize?: number; pause?: () => Promise<void> } = {},
): Answering {
  const { chunkSize = 64 * 1024, size = 1024 * chunkSize } = options
  const { pause = async () => new Promise((resolve) => setTimeout(resolve, 1_000).unref()) } =
    options
  const zeros = Buffer.alloc(chunkSize)
  const count = Math.ceil(size / chunkSize)
  const leaf = hashLeaf(zeros)
  const leaves = Buffer.concat(Array.from({ length: count }, () => leaf))
  let turn = Promise.resolve()
  return async (request, { send }) => {
    const { id } = request
    if (request.type === 'want') {
      return await send({ type: 'manifest', id, size, chunkSize, leaves, present: undefined })
    }
    const { index } = request
    turn = turn.then(pause)
    // Not awaited: requests that come meanwhile are read, as an honest holder would.
    void turn
      .then(async () => send({ type: 'chunk', id, index, encoding: 'none', bytes: zeros }))
      .catch(() => undefined)
  }
}

export const HELLO = encodeRequest({ type: 'hello', version: 1, encodings: [] })
