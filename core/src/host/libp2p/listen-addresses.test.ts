import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { describe, expect, it } from 'vitest'
import { silentLogger, type LogFacts, type Logger } from '../../log.ts'
import { parseNodeOptions, type NodeOptions } from '../../options.ts'
import { chooseListening, type NetworkOptions } from './listen-addresses.ts'

function options(network: NodeOptions['network']): NetworkOptions {
  return parseNodeOptions({ network: { loopbackOnly: true, family: 'ipv4', ...network } }).network
}

function warnings(): { log: Logger; seen: { event: string; facts: LogFacts | undefined }[] } {
  const seen: { event: string; facts: LogFacts | undefined }[] = []
  return { log: { ...silentLogger, warn: (event, facts) => seen.push({ event, facts }) }, seen }
}

describe('listen addresses', () => {
  it('use one port for UDP and TCP', async () => {
    const { port, addresses } = await chooseListening(options({ port: 0 }), silentLogger)
    expect(port).toBeGreaterThan(0)
    expect(addresses).toEqual([`/ip4/127.0.0.1/udp/${port}/quic-v1`, `/ip4/127.0.0.1/tcp/${port}`])
  })

  it('leave out what is switched off', async () => {
    const { port, addresses } = await chooseListening(
      options({ port: 0, quic: false }),
      silentLogger,
    )
    expect(addresses).toEqual([`/ip4/127.0.0.1/tcp/${port}`])
    await expect(
      chooseListening(options({ quic: false, tcp: false }), silentLogger),
    ).rejects.toMatchObject({ code: 'HOST_FAILED' })
  })

  it('take another port, with one warning, when the UDP port is in use', async () => {
    const socket = createSocket('udp4')
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    try {
      const { log, seen } = warnings()
      const wanted = socket.address().port
      const { port } = await chooseListening(options({ port: wanted }), log)
      expect(port).not.toBe(wanted)
      expect(seen).toEqual([
        { event: 'host.port-in-use', facts: { wanted, code: 'EADDRINUSE', used: port } },
      ])
    } finally {
      socket.close()
    }
  })

  it('take another port when only the TCP port is in use', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    try {
      const address = server.address()
      if (address === null || typeof address === 'string') throw new Error('no port')
      const { port } = await chooseListening(options({ port: address.port }), silentLogger)
      expect(port).not.toBe(address.port)
    } finally {
      server.close()
    }
  })
})
