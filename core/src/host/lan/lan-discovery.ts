/**
 * Finds nodes on the LAN by multicast DNS, on every interface and on IPv6 as well as IPv4 (the library of libp2p does IPv4
 * only, on one interface, and never tells public addresses, which on an IPv6 LAN are all there are). Asks often in the first
 * seconds, then seldom. An interface that can't do multicast is left out without a word. What does not come from a neighbour
 * is dropped (RFC 6762, section 11): multicast never leaves the link, but anybody can send to the port.
 */
import { randomBytes } from 'node:crypto'
import { createSocket, type Socket } from 'node:dgram'
import { networkInterfaces, type NetworkInterfaceInfo } from 'node:os'
import { LRUCache } from 'lru-cache'
import type { Clock } from '../../timing/clock.ts'
import type { Logger } from '../../log.ts'
import type { PeerId } from '../host.ts'
import { createLanBudget } from './lan-budget.ts'
import { decodeLanMessage, encodeLanAnswer, encodeLanQuery } from './lan-messages.ts'
import type { IpFamily } from '../libp2p/listen-addresses.ts'

const PORT = 5353
const GROUPS: Readonly<Record<IpFamily, string>> = { 4: '224.0.0.251', 6: 'ff02::fb' }
/** Pauses before each query: the last one repeats, and with each of them interfaces are looked up again. */
const PAUSES_MS = [0, 250, 750, 2_000, 5_000, 10_000]
const ANSWER_EVERY_MS = 200
/** A peer that shows itself again within this time is old news. */
const SEEN_MS = 2_000
const MAX_SEEN = 1000

export interface LanDiscovery {
  start(): void
  stop(): Promise<void>
}

export interface LanDependencies {
  readonly log: Logger
  readonly clock: Clock
  readonly self: PeerId
  /** What to tell others: multiaddrs with our peer id. */
  readonly addresses: () => readonly string[]
  /** An IP address (with its zone, if it is link-local) is on the link of one of our interfaces. */
  readonly isOnLink: (ip: string) => boolean
  /** Somebody at `ip` says that the peer has these addresses. */
  readonly onFound: (peer: PeerId, addresses: readonly string[], ip: string) => void
}

/** One interface, one family. */
interface Link {
  readonly socket: Socket
  readonly family: IpFamily
  /** Addresses of the interface, to be told first there. */
  readonly ips: ReadonlySet<string>
  lastAnswerAt: number
}

export function createLanDiscovery(
  deps: LanDependencies,
  options: { readonly families: readonly IpFamily[] },
): LanDiscovery {
  const links = new Map<string, Link>()
  const stopped = new AbortController()
  const seen = new LRUCache<PeerId, true>({ max: MAX_SEEN, ttl: SEEN_MS })
  const budget = createLanBudget()
  const label = randomBytes(16).toString('hex')
  let loop: Promise<void> | undefined

  function receive(link: Link, bytes: Uint8Array, ip: string): void {
    if (!deps.isOnLink(ip)) return
    const message = decodeLanMessage(bytes)
    if (message?.type === 'query') answer(link)
    if (message?.type !== 'answer') return
    for (const [peer, addresses] of budget.admit(ip, message.peers, deps.clock.now())) {
      if (peer === deps.self || seen.has(peer)) continue
      seen.set(peer, true)
      deps.onFound(peer, addresses, ip)
    }
  }

  function answer(link: Link): void {
    const now = deps.clock.now()
    if (now - link.lastAnswerAt < ANSWER_EVERY_MS) return
    link.lastAnswerAt = now
    const isHere = (address: string): boolean => link.ips.has(address.split('/')[2] ?? '')
    const addresses = deps.addresses()
    const hereFirst = [...addresses.filter(isHere), ...addresses.filter((a) => !isHere(a))]
    if (hereFirst.length > 0) send(link, encodeLanAnswer(label, hereFirst))
  }

  function send(link: Link, packet: Buffer): void {
    link.socket.send(packet, PORT, GROUPS[link.family], (error) => {
      if (error !== null) deps.log.debug('host.lan-send-failed', { error })
    })
  }

  function refreshLinks(): void {
    const present = multicastLinks(options.families)
    for (const [key, link] of links) if (!present.has(key)) close(key, link)
    for (const [key, { family, address, ips }] of present) {
      if (!links.has(key)) open(key, { family, address, ips })
    }
  }

  function open(key: string, found: FoundLink): void {
    const { family, address, ips } = found
    const socket = createSocket({
      type: family === 4 ? 'udp4' : 'udp6',
      ipv6Only: family === 6,
      reuseAddr: true,
    })
    const link: Link = { socket, family, ips, lastAnswerAt: -ANSWER_EVERY_MS }
    links.set(key, link)
    socket.on('error', (error) => {
      deps.log.debug('host.lan-interface-failed', { interface: key, error })
      close(key, link)
    })
    socket.on('message', (bytes, { address: ip }) => receive(link, bytes, ip))
    socket.bind({ port: PORT, exclusive: false }, () => {
      try {
        socket.addMembership(GROUPS[family], address)
        socket.setMulticastInterface(address)
        socket.setMulticastTTL(255)
        send(link, encodeLanQuery())
      } catch (error) {
        socket.emit('error', error)
      }
    })
    socket.unref()
  }

  function close(key: string, link: Link): void {
    if (links.get(key) !== link) return
    links.delete(key)
    closeSocket(link.socket)
  }

  async function run(): Promise<void> {
    for (let turn = 0; !stopped.signal.aborted; turn += 1) {
      const pauseMs = PAUSES_MS[Math.min(turn, PAUSES_MS.length - 1)] ?? 0
      await deps.clock.sleep(pauseMs, stopped.signal)
      refreshLinks()
      for (const link of links.values()) send(link, encodeLanQuery())
    }
  }

  return {
    start() {
      loop = run().catch((error: unknown) => {
        if (!stopped.signal.aborted) deps.log.error('host.lan-failed', { error })
      })
    },
    async stop() {
      stopped.abort()
      await loop
      for (const [key, link] of [...links]) close(key, link)
    },
  }
}

interface FoundLink {
  readonly family: IpFamily
  /** What the system calls the interface when it joins a group. */
  readonly address: string
  readonly ips: ReadonlySet<string>
}

function multicastLinks(families: readonly IpFamily[]): Map<string, FoundLink> {
  const found = new Map<string, FoundLink>()
  for (const [name, infos = []] of Object.entries(networkInterfaces())) {
    const ips = new Set(infos.map(({ address }) => address))
    for (const family of families) {
      const info = infos.find((one) => !one.internal && one.family === `IPv${family}`)
      if (info === undefined) continue
      found.set(`${name}/${info.address}`, { family, address: joinAddress(name, info), ips })
    }
  }
  return found
}

function joinAddress(name: string, info: NetworkInterfaceInfo): string {
  if (info.family === 'IPv4') return info.address
  return `::%${process.platform === 'win32' ? info.scopeid : name}`
}

function closeSocket(socket: Socket): void {
  try {
    socket.close()
  } catch {
    // It has failed before it was bound, and is closed already.
    return
  }
}
