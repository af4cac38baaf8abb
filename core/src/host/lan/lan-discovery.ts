/**
 * Finds nodes on the LAN by multicast DNS, on every interface and on IPv6 as well as IPv4 (the library of libp2p does IPv4
 * only, on one interface, and never tells public addresses, which on an IPv6 LAN are all there are). Asks often in the first
 * seconds, then seldom (lan-schedule.ts). An interface that can't do multicast is skipped, at debug level. Packets that do not come from a
 * neighbour are dropped (RFC 6762, section 11): multicast never leaves the link, but any machine can send to the port.
 * Never dials: its owner decides about what it finds.
 */
import { randomBytes } from 'node:crypto'
import { createSocket, type Socket } from 'node:dgram'
import { networkInterfaces, type NetworkInterfaceInfo } from 'node:os'
import { LRUCache } from 'lru-cache'
import type { Clock } from '../../timing/clock.ts'
import type { Logger } from '../../log.ts'
import type { Random } from '../../random.ts'
import type { LanSeal, PeerId } from '../host.ts'
import { createLanBudget } from './lan-budget.ts'
import { decodeLanMessage, encodeLanAnswer, encodeLanQuery } from './lan-messages.ts'
import { LanSchedule } from './lan-schedule.ts'
import type { IpFamily } from '../libp2p/listen-addresses.ts'

const PORT = 5353
const GROUPS: Readonly<Record<IpFamily, string>> = { 4: '224.0.0.251', 6: 'ff02::fb' }
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
  readonly random: Random
  readonly self: PeerId
  /** What to tell others: multiaddrs with our peer id. */
  readonly addresses: () => readonly string[]
  /** An IP address (with its zone, if it is link-local) is on the link of one of our interfaces. */
  readonly isOnLink: (ip: string) => boolean
  /** Of a private swarm: nothing is said, or believed, but under one of these. */
  readonly seals?: (() => readonly LanSeal[]) | undefined
  /** There are so few peers that more are looked for. */
  readonly isLonely: () => boolean
  /** A machine at `ip` says that the peer has these addresses. */
  readonly onFound: (peer: PeerId, addresses: readonly string[], ip: string) => void
}

export function createLanDiscovery(
  deps: LanDependencies,
  options: { readonly families: readonly IpFamily[] },
): LanDiscovery {
  return new MulticastDiscovery(deps, options.families)
}

class MulticastDiscovery implements LanDiscovery {
  readonly #deps: LanDependencies
  readonly #families: readonly IpFamily[]
  readonly #links = new Map<string, Link>()
  readonly #stopped = new AbortController()
  readonly #seen = new LRUCache<PeerId, true>({ max: MAX_SEEN, ttl: SEEN_MS })
  readonly #budget = createLanBudget()
  readonly #label = randomBytes(16).toString('hex')
  #loop: Promise<void> | undefined

  constructor(deps: LanDependencies, families: readonly IpFamily[]) {
    this.#deps = deps
    this.#families = families
  }

  start(): void {
    this.#loop = this.#run().catch((error: unknown) => {
      if (!this.#stopped.signal.aborted) this.#deps.log.error('host.lan-failed', { error })
    })
  }

  async stop(): Promise<void> {
    this.#stopped.abort()
    await this.#loop
    for (const [key, link] of [...this.#links]) this.#close(key, link)
  }

  async #run(): Promise<void> {
    const schedule = new LanSchedule(this.#deps.random)
    while (!this.#stopped.signal.aborted) {
      await this.#deps.clock.sleep(schedule.nextPauseMs(), this.#stopped.signal)
      this.#refreshLinks()
      if (!schedule.isDue(this.#deps.isLonely())) continue
      for (const link of this.#links.values()) {
        this.#ask(link)
        // Unasked, for those that this node can't dial; the others are connected by then.
        if (!schedule.isStarting) this.#answer(link)
      }
    }
  }

  #ask(link: Link): void {
    for (const seal of this.#seals()) link.send(encodeLanQuery(seal))
  }

  /** Undefined among them: openly. */
  #seals(): readonly (LanSeal | undefined)[] {
    return this.#deps.seals?.() ?? [undefined]
  }

  #refreshLinks(): void {
    const present = multicastLinks(this.#families)
    for (const [key, link] of this.#links) if (!present.has(key)) this.#close(key, link)
    for (const [key, found] of present) if (!this.#links.has(key)) this.#open(key, found)
  }

  #open(key: string, found: FoundLink): void {
    const link = new Link(found, {
      log: this.#deps.log,
      onJoined: () => this.#ask(link),
      onMessage: (bytes, ip) => {
        if (!this.#deps.isOnLink(ip)) return
        for (const seal of this.#seals()) this.#receive(link, { bytes, ip, seal })
      },
      onFailed: (error) => {
        this.#deps.log.debug('host.lan-interface-failed', { interface: key, error })
        this.#close(key, link)
      },
    })
    this.#links.set(key, link)
  }

  #close(key: string, link: Link): void {
    if (this.#links.get(key) !== link) return
    this.#links.delete(key)
    link.close()
  }

  #receive(
    link: Link,
    { bytes, ip, seal }: { bytes: Uint8Array; ip: string; seal: LanSeal | undefined },
  ): void {
    const message = decodeLanMessage(bytes, seal)
    if (message?.type === 'query') this.#answer(link)
    if (message?.type !== 'answer') return
    for (const [peer, addresses] of this.#budget.admit(ip, message.peers, this.#deps.clock.now())) {
      if (peer === this.#deps.self || this.#seen.has(peer)) continue
      this.#seen.set(peer, true)
      this.#deps.onFound(peer, addresses, ip)
    }
  }

  #answer(link: Link): void {
    const now = this.#deps.clock.now()
    if (now - link.lastAnswerAt < ANSWER_EVERY_MS) return
    link.lastAnswerAt = now
    const isHere = (address: string): boolean => link.ips.has(address.split('/')[2] ?? '')
    const addresses = this.#deps.addresses()
    const hereFirst = [...addresses.filter(isHere), ...addresses.filter((a) => !isHere(a))]
    if (hereFirst.length === 0) return
    for (const seal of this.#seals()) link.send(encodeLanAnswer(this.#label, hereFirst, seal))
  }
}

interface LinkDeps {
  readonly log: Logger
  readonly onJoined: () => void
  readonly onMessage: (bytes: Uint8Array, ip: string) => void
  readonly onFailed: (error: Error) => void
}

/** The multicast group of one family on one interface. Tells when it has joined, so that it can be asked who is there. */
class Link {
  /** Addresses of the interface, which come first in answers there. */
  readonly ips: ReadonlySet<string>
  lastAnswerAt = -ANSWER_EVERY_MS
  readonly #socket: Socket
  readonly #group: string
  readonly #log: Logger

  constructor({ family, address, ips }: FoundLink, deps: LinkDeps) {
    const { log, onJoined, onMessage, onFailed } = deps
    this.ips = ips
    this.#log = log
    this.#group = GROUPS[family]
    const socket = createSocket({
      type: family === 4 ? 'udp4' : 'udp6',
      ipv6Only: family === 6,
      reuseAddr: true,
    })
    this.#socket = socket
    socket.on('error', onFailed)
    socket.on('message', (bytes, { address: ip }) => onMessage(bytes, ip))
    socket.bind({ port: PORT, exclusive: false }, () => {
      try {
        socket.addMembership(this.#group, address)
        socket.setMulticastInterface(address)
        socket.setMulticastTTL(255)
        onJoined()
      } catch (error) {
        socket.emit('error', error)
      }
    })
    socket.unref()
  }

  send(packet: Buffer): void {
    this.#socket.send(packet, PORT, this.#group, (error) => {
      if (error !== null) this.#log.debug('host.lan-send-failed', { error })
    })
  }

  close(): void {
    try {
      this.#socket.close()
    } catch {
      // It has failed before it was bound, and is closed already.
      return
    }
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
