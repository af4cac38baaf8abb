/**
 * Which addresses to listen on: one port for UDP and TCP on the families that this machine has. Tries the sockets before
 * libp2p does, because libp2p reports a listener that failed as if nothing had happened. A port in use is not an error: the
 * port of the peer-to-peer network is no contract, so another one is taken and the log says so.
 */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { errnoOf } from '../../disk/errno.ts'
import { CatalogError } from '../../errors.ts'
import type { Logger } from '../../log.ts'
import type { ParsedNodeOptions } from '../../options.ts'

export type NetworkOptions = ParsedNodeOptions['network']
export type IpFamily = 4 | 6

export interface Listening {
  readonly families: readonly IpFamily[]
  readonly port: number
  /** Multiaddrs for libp2p. */
  readonly addresses: readonly string[]
}

const MAX_PORT_TRIES = 10
/** This machine does not have the family, or not the address. */
const FAMILY_MISSING = new Set(['EAFNOSUPPORT', 'EADDRNOTAVAIL', 'EINVAL', 'EPROTONOSUPPORT'])

/** @throws CatalogError HOST_FAILED when there is nothing to listen on */
export async function chooseListening(network: NetworkOptions, log: Logger): Promise<Listening> {
  if (!network.quic && !network.tcp) {
    throw new CatalogError('HOST_FAILED', 'network.quic and network.tcp are both off')
  }
  const families = await presentFamilies(network, log)
  const port = await choosePort(network, families, log)
  return { families, port, addresses: families.flatMap((f) => addressesOn(network, f, port)) }
}

function addressesOn(network: NetworkOptions, family: IpFamily, port: number): string[] {
  const base = `/ip${family}/${bindHost(network, family)}`
  const addresses: string[] = []
  if (network.quic) addresses.push(`${base}/udp/${port}/quic-v1`)
  if (network.tcp) addresses.push(`${base}/tcp/${port}`)
  return addresses
}

function bindHost(network: NetworkOptions, family: IpFamily): string {
  if (network.loopbackOnly) return family === 4 ? '127.0.0.1' : '::1'
  return family === 4 ? '0.0.0.0' : '::'
}

async function presentFamilies(network: NetworkOptions, log: Logger): Promise<IpFamily[]> {
  const wanted: IpFamily[] = network.family === 'any' ? [4, 6] : [network.family === 'ipv4' ? 4 : 6]
  const present: IpFamily[] = []
  for (const family of wanted) {
    const result = await tryUdp(bindHost(network, family), family, 0)
    if ('port' in result || !FAMILY_MISSING.has(result.code)) present.push(family)
  }
  if (present.length === 0) {
    throw new CatalogError('HOST_FAILED', `this machine has no ${network.family} network`, {
      hint: 'set network.family to a family that the machine has',
    })
  }
  if (present.length < wanted.length) {
    log.warn('host.family-missing', { missing: present[0] === 4 ? 'ipv6' : 'ipv4' })
  }
  return present
}

async function choosePort(
  network: NetworkOptions,
  families: readonly IpFamily[],
  log: Logger,
): Promise<number> {
  if (network.port !== 0) {
    const problem = await tryPort(network, families, network.port)
    if (problem === undefined) return network.port
    const port = await freePort(network, families)
    log.warn('host.port-in-use', { wanted: network.port, code: problem, used: port })
    return port
  }
  return freePort(network, families)
}

async function freePort(network: NetworkOptions, families: readonly IpFamily[]): Promise<number> {
  let problem = 'none'
  for (let tries = 0; tries < MAX_PORT_TRIES; tries += 1) {
    const family = families[0] ?? 4
    const probe = network.quic ? tryUdp : tryTcp
    const result = await probe(bindHost(network, family), family, 0)
    if ('code' in result) {
      problem = result.code
      continue
    }
    const taken = await tryPort(network, families, result.port)
    if (taken === undefined) return result.port
    problem = taken
  }
  throw new CatalogError('HOST_FAILED', `cannot listen on any port: ${problem}`)
}

/** The code of the first socket that can't be had on this port. */
async function tryPort(
  network: NetworkOptions,
  families: readonly IpFamily[],
  port: number,
): Promise<string | undefined> {
  for (const family of families) {
    const host = bindHost(network, family)
    for (const probe of [...(network.quic ? [tryUdp] : []), ...(network.tcp ? [tryTcp] : [])]) {
      const result = await probe(host, family, port)
      if ('code' in result) return result.code
    }
  }
  return undefined
}

type ProbeResult = { readonly port: number } | { readonly code: string }

async function tryUdp(host: string, family: IpFamily, port: number): Promise<ProbeResult> {
  const socket = createSocket({ type: family === 4 ? 'udp4' : 'udp6', ipv6Only: family === 6 })
  try {
    const listening = once(socket, 'listening')
    socket.bind({ address: host, port, exclusive: true })
    await listening
    return { port: socket.address().port }
  } catch (error) {
    return { code: requireErrno(error) }
  } finally {
    await new Promise<void>((resolve) => socket.close(resolve))
  }
}

async function tryTcp(host: string, family: IpFamily, port: number): Promise<ProbeResult> {
  const server = createServer()
  try {
    const listening = once(server, 'listening')
    server.listen({ host, port, exclusive: true, ipv6Only: family === 6 })
    await listening
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('a TCP server has a port')
    return { port: address.port }
  } catch (error) {
    return { code: requireErrno(error) }
  } finally {
    if (server.listening) await new Promise<void>((resolve) => server.close(() => resolve()))
  }
}

/** @throws what is no system error: that would be a bug */
function requireErrno(error: unknown): string {
  const code = errnoOf(error)
  if (code === undefined) throw error
  return code
}
