/** Over a real TCP connection that stays open while nothing comes through it any more; time is the host's own. */
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { createFakeClock } from '../../../../test/support/fake-clock.ts'
import { until } from '../../../../test/support/until.ts'
import { systemClock, type Clock } from '../../timing/clock.ts'
import { silentLogger } from '../../log.ts'
import { parseNodeOptions } from '../../options.ts'
import type { Host } from '../host.ts'
import { createLibp2pHost } from './libp2p-host.ts'
import { LOOK_EVERY_MS } from './silent-connections.ts'

async function startHost(clock: Clock): Promise<Host> {
  const { network } = parseNodeOptions({
    network: { quic: false, mdns: false, dht: false, family: 'ipv4', loopbackOnly: true },
  })
  const deps = { log: silentLogger, clock, random: Math.random }
  const host = createLibp2pHost(deps, { network, path: undefined })
  onTestFinished(() => host.stop())
  await host.start()
  return host
}

/** A line to that port. What comes back over it is counted, and can be swallowed. */
async function lineTo(port: number): Promise<{ port: number; bytesBack: number; cut: boolean }> {
  const line = { port: 0, bytesBack: 0, cut: false }
  const sockets: Socket[] = []
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1')
    for (const socket of [near, far]) sockets.push(socket.on('error', () => undefined))
    near.on('data', (bytes) => line.cut || far.write(bytes))
    far.on('data', (bytes) => {
      if (line.cut) return
      line.bytesBack += bytes.byteLength
      near.write(bytes)
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  line.port = (server.address() as AddressInfo).port
  return line
}

test('a peer that answers stays, with nothing to say for minutes; one that is gone without a word is dropped', async () => {
  const clock = createFakeClock()
  const [here, there] = [await startHost(clock), await startHost(systemClock)]
  const port = Number(/\/tcp\/(\d+)/.exec(there.addresses()[0] ?? '')?.[1])
  const line = await lineTo(port)
  const address = `/ip4/127.0.0.1/tcp/${line.port}/p2p/${there.id}`
  await here.connect(address, { signal: AbortSignal.timeout(10_000) })

  for (let look = 0; look < 8; look += 1) {
    const before = line.bytesBack
    await clock.advance(LOOK_EVERY_MS)
    await until(() => line.bytesBack > before)
  }
  const events: string[] = []
  here.onEvent(({ type }) => events.push(type))
  expect(here.isConnected(there.id)).toBe(true)

  // It may come back by another way at once.
  line.cut = true
  await clock.advance(4 * LOOK_EVERY_MS)
  await until(() => events[0] === 'disconnected')
})
