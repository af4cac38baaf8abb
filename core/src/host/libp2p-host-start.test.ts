/** A start whose port is taken in the moment between looking for it and listening on it; real sockets, both transports. */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { expect, onTestFinished, test, vi } from 'vitest'
import { systemClock } from '../clock.ts'
import { silentLogger } from '../log.ts'
import { parseNodeOptions } from '../options.ts'
import type { Host } from './host.ts'
import { createLibp2pHost } from './libp2p-host.ts'
import { chooseListening } from './listen-addresses.ts'

vi.mock(import('./listen-addresses.ts'), { spy: true })

function createHost(transport: 'quic' | 'tcp'): Host {
  const off = { mdns: false, dht: false, peerExchange: false, upnp: false, autonat: false }
  const { network } = parseNodeOptions({
    network: {
      ...{ ...off, relayClient: false, family: 'ipv4', loopbackOnly: true },
      ...{ quic: transport === 'quic', tcp: transport === 'tcp' },
    },
  })
  const host = createLibp2pHost(
    { log: silentLogger, clock: systemClock },
    { network, path: undefined },
  )
  onTestFinished(() => host.stop())
  return host
}

async function takePort(transport: 'quic' | 'tcp'): Promise<number> {
  if (transport === 'quic') {
    const socket = createSocket('udp4')
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    onTestFinished(() => void socket.close())
    return socket.address().port
  }
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return (server.address() as AddressInfo).port
}

function chooseTaken(transport: 'quic' | 'tcp', port: number, times: number): void {
  const end = transport === 'quic' ? `udp/${port}/quic-v1` : `tcp/${port}`
  const taken = { families: [4] as const, port, addresses: [`/ip4/127.0.0.1/${end}`] }
  const choosing = vi.mocked(chooseListening).mockClear()
  for (let time = 0; time < times; time++) choosing.mockResolvedValueOnce(taken)
}

test.each(['quic', 'tcp'] as const)('%s: another port is looked for', async (transport) => {
  const port = await takePort(transport)
  chooseTaken(transport, port, 2)
  const [host, other] = [createHost(transport), createHost(transport)]
  await host.start()
  expect(chooseListening).toHaveBeenCalledTimes(3)
  const [address = ''] = host.addresses()
  expect(Number(address.split('/')[4])).not.toBe(port)
  // What has started is whole, and not in the way of what had not.
  await other.start()
  expect(await other.connect(address, { signal: AbortSignal.timeout(10_000) })).toBe(host.id)
})

test.each(['quic', 'tcp'] as const)('%s: not for ever', async (transport) => {
  chooseTaken(transport, await takePort(transport), 4)
  const host = createHost(transport)
  await expect(host.start()).rejects.toMatchObject({ code: 'HOST_FAILED' })
  expect(chooseListening).toHaveBeenCalledTimes(4)
  await host.start()
  expect(host.addresses()).toHaveLength(1)
})
