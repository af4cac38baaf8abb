/** Checks of the network, without the daemon: ports, UDP on both families, multicast for mDNS. Every wait has a deadline. */
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import { fail, ok, reasonOf, warn, type Finding } from './check.ts'

export type Family = 'ipv4' | 'ipv6'

const TIMEOUT_MS = 2_000
const MDNS: Readonly<Record<Family, string>> = { ipv4: '224.0.0.251', ipv6: 'ff02::fb' }

/** A datagram from this machine to itself: a firewall that blocks UDP stops it. */
export async function checkUdp(family: Family): Promise<Finding> {
  const name = `UDP over ${label(family)}`
  const socket = createSocket(family === 'ipv4' ? 'udp4' : 'udp6')
  const loopback = family === 'ipv4' ? '127.0.0.1' : '::1'
  try {
    await bind(socket, 0, loopback)
    const arrived = once(socket, 'message', { signal: AbortSignal.timeout(TIMEOUT_MS) })
    socket.send('catalog', socket.address().port, loopback)
    await arrived
    return ok(name, 'works on this machine')
  } catch (error) {
    if (isMissingFamily(error)) return ok(name, `this machine has no ${label(family)}`)
    const next = `allow UDP in the firewall; until then peers are reached by TCP`
    return warn(name, `does not get through (${reasonOf(error)})`, next)
  } finally {
    socket.close()
  }
}

/** Whether the port for peers can be opened, UDP and TCP. Only while no daemon holds it. */
export async function checkPeerPort(port: number, family: Family): Promise<Finding> {
  const name = `peer port over ${label(family)}`
  const any = family === 'ipv4' ? '0.0.0.0' : '::'
  const socket = createSocket({
    type: family === 'ipv4' ? 'udp4' : 'udp6',
    ipv6Only: family === 'ipv6',
  })
  try {
    await bind(socket, port, any)
    await listen(port, any)
    return ok(name, `${port} can be opened (UDP and TCP)`)
  } catch (error) {
    if (isMissingFamily(error)) return ok(name, `this machine has no ${label(family)}`)
    const next = 'stop the program that has it, or choose another with --network.port'
    return fail(name, `${port} can't be opened (${reasonOf(error)})`, next)
  } finally {
    socket.close()
  }
}

/** Whether peers can open carriers here. Only while no daemon holds the port. @param port undefined: no carriers */
export async function checkCarrierPort(port: number | undefined, family: Family): Promise<Finding> {
  const name = `carrier port over ${label(family)}`
  if (port === undefined) return ok(name, 'off, as told')
  try {
    await listen(port, family === 'ipv4' ? '0.0.0.0' : '::')
    return ok(name, `${port} can be opened (TCP)`)
  } catch (error) {
    if (isMissingFamily(error)) return ok(name, `this machine has no ${label(family)}`)
    const next = 'bytes will come in at another port; where a firewall must know it: --carrier-port'
    return warn(name, `${port} can't be opened (${reasonOf(error)})`, next)
  }
}

/** Whether the registry's port is free. Only while no daemon holds it. */
export async function checkRegistryPort(port: number): Promise<Finding> {
  try {
    await listen(port, '127.0.0.1')
    return ok('registry port', `${port} is free`)
  } catch (error) {
    const next = 'stop the program that has it, or choose another with --port'
    return fail('registry port', `${port} can't be opened (${reasonOf(error)})`, next)
  }
}

/** Joins the multicast group that mDNS uses, on the interfaces that could have neighbours. */
export async function checkMulticast(family: Family): Promise<Finding> {
  const name = `mDNS over ${label(family)}`
  const places = multicastPlaces(family)
  if (places.length === 0) return ok(name, `no network with ${label(family)}`)
  const socket = createSocket({ type: family === 'ipv4' ? 'udp4' : 'udp6', reuseAddr: true })
  const refused: string[] = []
  try {
    await bind(socket, 0, family === 'ipv4' ? '0.0.0.0' : '::')
    for (const place of places) {
      try {
        socket.addMembership(MDNS[family], place)
      } catch (error) {
        refused.push(`${place} ${reasonOf(error)}`)
      }
    }
  } catch (error) {
    refused.push(...places.map((place) => `${place} ${reasonOf(error)}`))
  } finally {
    socket.close()
  }
  if (refused.length === 0) return ok(name, `can be used on ${places.join(', ')}`)
  const text = `multicast is not possible on ${refused.join(', ')}`
  const next = 'name a peer with --bootstrap instead, or allow multicast (UDP 5353)'
  return warn(name, text, next)
}

function multicastPlaces(family: Family): string[] {
  const places = new Set<string>()
  for (const [device, addresses = []] of Object.entries(networkInterfaces())) {
    for (const { address, internal, family: found, scopeid } of addresses) {
      if (internal) continue
      if (family === 'ipv4' && found === 'IPv4') places.add(address)
      if (family === 'ipv6' && found === 'IPv6' && scopeid !== 0) {
        places.add(process.platform === 'win32' ? `::%${scopeid}` : `::%${device}`)
      }
    }
  }
  return [...places]
}

async function bind(socket: Socket, port: number, address: string): Promise<void> {
  const listening = once(socket, 'listening', { signal: AbortSignal.timeout(TIMEOUT_MS) })
  socket.bind({ port, address, exclusive: true })
  await listening
}

async function listen(port: number, host: string): Promise<void> {
  const server = createServer()
  try {
    const listening = once(server, 'listening', { signal: AbortSignal.timeout(TIMEOUT_MS) })
    server.listen({ port, host, exclusive: true, ipv6Only: host.includes(':') })
    await listening
  } finally {
    server.close()
  }
}

function isMissingFamily(error: unknown): boolean {
  return ['EADDRNOTAVAIL', 'EAFNOSUPPORT', 'EINVAL'].includes(reasonOf(error))
}

function label(family: Family): string {
  return family === 'ipv4' ? 'IPv4' : 'IPv6'
}
