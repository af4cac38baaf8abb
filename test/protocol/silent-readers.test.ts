/**
 * Peers that ask and ask and read nothing: what they make a node hold is bounded by bytes, not by how long they go on, and
 * whoever asks in earnest beside them is answered.
 */
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../core/src/timing/clock.ts'
import { createLibp2pHost } from '../../core/src/host/libp2p/libp2p-host.ts'
import { silentLogger } from '../../core/src/log.ts'
import { createNode } from '../../core/src/node.ts'
import { parseNodeOptions } from '../../core/src/options.ts'
import { encodeRequest, TRANSFER_PROTOCOL } from '../../core/src/wire/transfer-messages.ts'
import { blob, type Blob } from '../support/blobs.ts'
import { createCollectingLogger } from '../support/collecting-logger.ts'
import { HELLO, QUIC_LOOPBACK } from '../support/hostile-peer.ts'
import { readAll } from '../support/read-all.ts'
import { until } from '../support/until.ts'

const MiB = 1024 * 1024
const STREAMS = 4
/** What each stream would send. */
const ASKED_BYTES = 2 * MiB
const network = { ...QUIC_LOOPBACK, quic: false, tcp: true } as const

/** Opens four streams and asks on each for as long as it can; the transport takes no answer from the node. */
async function silentReader(address: string, wanted: Blob): Promise<{ asking: Promise<unknown> }> {
  const node = await createLibp2p({
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionGater: { denyDialMultiaddr: () => false },
  })
  onTestFinished(() => node.stop())
  const connection = await node.dial(multiaddr(address), { signal: AbortSignal.timeout(10_000) })
  const asking: Promise<void>[] = []
  for (let n = 0; n < STREAMS; n++) {
    const stream = await connection.newStream(TRANSFER_PROTOCOL)
    stream.pause()
    stream.send(HELLO)
    asking.push(
      (async () => {
        let id = 0
        for (let sent = 0; sent < ASKED_BYTES && stream.status === 'open';) {
          const batch = Array.from({ length: 100 }, () =>
            encodeRequest({ type: 'want', id: id++, digest: wanted.digest }),
          )
          const bytes = Buffer.concat(batch)
          stream.send(bytes)
          sent += bytes.byteLength
          await new Promise(setImmediate)
        }
      })().catch(() => undefined),
    )
  }
  return { asking: Promise.all(asking) }
}

test('six peers that read nothing: what is unread stays small, and they are found out', async () => {
  const { network: parsed } = parseNodeOptions({ network })
  const deps = { log: silentLogger, clock: systemClock, random: Math.random }
  const host = createLibp2pHost(deps, { network: parsed, path: undefined })
  const log = createCollectingLogger()
  const victim = await createNode({ network }, { host, log })
  onTestFinished(() => victim.close())
  const wanted = blob(MiB, 1)
  await victim.put(wanted.bytes)
  const [address = ''] = host.addresses()
  const asking: Promise<unknown>[] = []
  for (let n = 0; n < 6; n++) asking.push((await silentReader(address, wanted)).asking)
  let mostUnread = 0
  await until(
    () => {
      mostUnread = Math.max(mostUnread, host.unreadBytes)
      return victim.stats().misbehaviour >= 6
    },
    { deadlineMs: 30_000 },
  )
  await Promise.all(asking)
  expect(mostUnread).toBeLessThan(6 * STREAMS * 128 * 1024)
  await until(() => host.unreadBytes === 0)
  expect(log.lines.filter(({ level }) => level === 'warn')).toHaveLength(1)

  const honest = await createNode({ network })
  onTestFinished(() => honest.close())
  await honest.connect(address)
  await until(() => honest.peers().some(({ artifacts }) => artifacts > 0))
  const artifact = await honest.get(wanted.digest)
  expect((await readAll(artifact.body)).equals(wanted.bytes)).toBe(true)
})
