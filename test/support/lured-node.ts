/**
 * A node that others try to lure into dialling what is none of their business, as a program of its own: with services that only
 * this machine, or a network that it is on, should reach, and a count of who has come to them.
 */
import { once } from 'node:events'
import { createServer } from 'node:net'
import { digestOf } from '../../core/src/content/digest.ts'
import { createNode } from '../../core/src/node.ts'
import type { NodeOptions } from '../../core/src/options.ts'
import { serveLines } from './json-lines.ts'

interface Options {
  readonly network: NonNullable<NodeOptions['network']>
  /** "address port", each a service. */
  readonly services: readonly string[]
}

const { network, services } = JSON.parse(process.argv[2] ?? '') as Options
const visited: string[] = []
for (const service of services) {
  const [host, port] = service.split(' ')
  const server = createServer((socket) => {
    visited.push(service)
    socket.on('error', () => undefined)
    socket.destroy()
  })
  server.listen({ host, port: Number(port) })
  await once(server, 'listening')
}
const node = await createNode({ network })
await serveLines({
  addresses: () => node.stats().addresses,
  /** By address, or by peer id with what is known of it. */
  connect: (target) => node.connect(target),
  peers: () => node.peers().map(({ peer }) => peer),
  /** From whoever the DHT names. */
  async get(text) {
    const artifact = await node.get(digestOf(Buffer.from(text)))
    return artifact.source
  },
  visited: () => visited,
})
await node.close()
process.exit()
