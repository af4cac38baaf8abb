/**
 * Starts that fail: a port that is taken in the moment between looking for it and listening on it, an address that this machine
 * has not, parts that do not stop again; real sockets.
 */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { expect, onTestFinished, test, vi } from 'vitest'
import { createFakeClock } from '../../../test/support/fake-clock.ts'
import { until } from '../../../test/support/until.ts'
import { systemClock, type Clock } from '../timing/clock.ts'
import { silentLogger, type Logger } from '../log.ts'
import { parseNodeOptions } from '../options.ts'
import type { Host } from './host.ts'
import { createLibp2pHost } from './libp2p/libp2p-host.ts'
import type * as Services from './libp2p/libp2p-services.ts'
import { createNode } from './libp2p/libp2p-services.ts'
import { chooseListening } from './libp2p/listen-addresses.ts'

vi.mock(import('./libp2p/listen-addresses.ts'), { spy: true })
vi.mock(import('./libp2p/libp2p-services.ts'), { spy: true })

function createHost(transport: 'quic' | 'tcp', deps: { clock?: Clock; log?: Logger } = {}): Host {
  const off = { mdns: false, dht: false, peerExchange: false, upnp: false }
  const { network } = parseNodeOptions({
    network: {
      ...{ ...off, relayClient: false, family: 'ipv4', loopbackOnly: true },
      ...{ quic: transport === 'quic', tcp: transport === 'tcp' },
    },
  })
  const host = createLibp2pHost(
    { log: silentLogger, clock: systemClock, random: Math.random, ...deps },
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

test('a start that fails ends, though a part of it does not stop again', async () => {
  const clock = createFakeClock()
  const errors: string[] = []
  const log: Logger = { ...silentLogger, error: (event) => void errors.push(event) }
  const host = createHost('tcp', { clock, log })
  // Of a network for documentation: no machine has it.
  const addresses = ['/ip4/192.0.2.1/tcp/4875']
  vi.mocked(chooseListening).mockResolvedValueOnce({ families: [4], port: 4875, addresses })
  const { createNode: create } = await vi.importActual<typeof Services>(
    './libp2p/libp2p-services.ts',
  )
  let isStopping = false
  vi.mocked(createNode).mockImplementationOnce(async (parts) => {
    const node = await create(parts)
    Object.assign(node.libp2p.services.ping as object, {
      stop: () => {
        isStopping = true
        return new Promise(() => undefined)
      },
    })
    return node
  })
  const starting = expect(host.start()).rejects.toMatchObject({ code: 'HOST_FAILED' })
  await until(() => isStopping)
  await clock.advance(10_000)
  await starting
  expect(errors).toEqual(['host.stop-failed'])
  await host.start()
  expect(host.addresses()).toHaveLength(1)
})
