/**
 * Where peers open carriers: a TCP port that answers nobody but holders of a ticket. Handshakes under way are shared by address groups
 * and have a deadline; who has not proved a ticket gets a TLS alert, takes no place from peers, and has had no frame read. A port that is
 * taken, or a machine without one of the families, is no error: another port, or no carrier at all, does.
 */
import type { AddressInfo, Socket } from 'node:net'
import { createServer, type Server, type TLSSocket } from 'node:tls'
import { errnoOf } from '../disk/errno.ts'
import { CatalogError } from '../errors.ts'
import { FairShare } from '../limits/fair-share.ts'
import { addressIn, ipGroup, type AddressGroup } from '../limits/address-group.ts'
import type { Logger } from '../log.ts'
import type { Clock } from '../timing/clock.ts'
import type { Ticket, Tickets } from './tickets.ts'
import { TLS_ONLY_PSK } from './tls-settings.ts'

/** From the first packet to the last of the handshake. */
export const HANDSHAKE_TIMEOUT_MS = 5_000
/** Handshakes under way: all, those of an address of a stranger, and of our own networks. */
const HANDSHAKES = 64
const STRANGER_HANDSHAKES = 4
export const NEAR_HANDSHAKES = 32
const MAX_PORT_TRIES = 5
const FAMILY_MISSING = new Set(['EAFNOSUPPORT', 'EADDRNOTAVAIL', 'EINVAL', 'EPROTONOSUPPORT'])

export interface CarrierListenerDeps {
  readonly clock: Clock
  readonly log: Logger
  readonly tickets: Pick<Tickets, 'find'>
  /** On a network that we are on, or this machine. */
  readonly isNear: (ip: string) => boolean
  /** A connection whose ticket has been proved. */
  readonly onConnection: (socket: TLSSocket, ticket: Ticket) => void
}

export interface CarrierListener {
  /** Undefined while nothing is listened on. */
  readonly port: number | undefined
  readonly pendingHandshakes: number
  /** Never rejects. */
  listen(hosts: readonly string[], port: number): Promise<void>
  close(): void
}

export function createCarrierListener(deps: CarrierListenerDeps): CarrierListener {
  const handshakes = new Handshakes(deps)
  const servers: Server[] = []

  async function tryAll(hosts: readonly string[], wanted: number): Promise<number | undefined> {
    let port = wanted
    for (const host of hosts) {
      const server = createPskServer(deps, handshakes)
      try {
        port = await listen(server, host, port)
        servers.push(server)
      } catch (error) {
        server.close()
        if (!FAMILY_MISSING.has(errnoOf(error) ?? '')) throw error
      }
    }
    return servers.length > 0 ? port : undefined
  }

  function close(): void {
    handshakes.abort()
    for (const server of servers.splice(0)) server.close()
  }

  return {
    get port() {
      const address = servers[0]?.address()
      return typeof address === 'object' ? address?.port : undefined
    },
    get pendingHandshakes() {
      return handshakes.count
    },
    async listen(hosts, wanted) {
      for (let tries = 0; tries < MAX_PORT_TRIES; tries += 1) {
        try {
          const port = await tryAll(hosts, tries === 0 ? wanted : 0)
          if (port !== undefined && wanted !== 0 && port !== wanted) {
            deps.log.info('carrier.port-taken', { wanted, port })
          }
          return
        } catch (error) {
          close()
          deps.log.debug('carrier.does-not-listen', { wanted, error })
        }
      }
      deps.log.warn('carrier.does-not-listen', { wanted })
    },
    close,
  }
}

function createPskServer(
  { tickets, log, onConnection }: CarrierListenerDeps,
  handshakes: Handshakes,
): Server {
  const shown = new WeakMap<TLSSocket, Ticket>()
  const server = createServer({
    ...TLS_ONLY_PSK,
    pskCallback(socket, identity) {
      const ticket = tickets.find(identity)
      if (ticket === undefined) return null
      shown.set(socket, ticket)
      return ticket.key
    },
  })
  server.on('connection', (raw: Socket) => handshakes.begin(raw))
  server.on('tlsClientError', (error, socket) => {
    log.debug('carrier.handshake-failed', { error })
    socket.destroy()
  })
  server.on('secureConnection', (socket) => {
    socket.on('error', () => undefined) // its stream says so; before there is one nobody asks
    const ticket = shown.get(socket)
    handshakes.end(socket)
    // Without a ticket it has resumed a session: what it said then may be void by now.
    if (ticket === undefined || !isFrom(socket, ticket.group)) socket.destroy()
    else onConnection(socket, ticket)
  })
  server.on('error', (error) => log.warn('carrier.listener-failed', { error }))
  return server
}

function isFrom(socket: TLSSocket, group: AddressGroup): boolean {
  return socket.remoteAddress !== undefined && ipGroup(socket.remoteAddress) === group
}

async function listen(server: Server, host: string, port: number): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  server.listen({ host, port, ipv6Only: true }, resolve)
  try {
    await promise
  } finally {
    server.off('error', reject)
  }
  return (server.address() as AddressInfo).port
}

interface Handshake {
  readonly raw: Socket
  /** It takes no place any more. */
  readonly end: () => void
}

/** Connections that have not shown a ticket yet. */
class Handshakes {
  readonly #deps: CarrierListenerDeps
  readonly #share: FairShare<Handshake>
  readonly #pending = new Map<string, Handshake>()

  constructor(deps: CarrierListenerDeps) {
    this.#deps = deps
    const ofGroup = (group: AddressGroup): number =>
      deps.isNear(addressIn(group) ?? '') ? NEAR_HANDSHAKES : STRANGER_HANDSHAKES
    this.#share = new FairShare({ total: HANDSHAKES, ofGroup })
  }

  get count(): number {
    return this.#pending.size
  }

  begin(raw: Socket): void {
    const key = keyOf(raw)
    const group = ipGroup(raw.remoteAddress ?? '')
    if (group === undefined) {
      raw.destroy() // gone already
      return
    }
    const handshake: Handshake = {
      raw,
      end: () => {
        cancel()
        place.release()
        if (this.#pending.get(key) === handshake) this.#pending.delete(key)
      },
    }
    const place = this.#share.open(handshake, group)
    place.add(1)
    const cancel = this.#deps.clock.after(HANDSHAKE_TIMEOUT_MS, () => raw.destroy(late()))
    this.#pending.set(key, handshake)
    raw.once('close', handshake.end)
    for (let next = this.#share.offender(); next; next = this.#share.offender()) dismiss(next)
  }

  /** It has ended well. */
  end(socket: TLSSocket): void {
    this.#pending.get(keyOf(socket))?.end()
  }

  abort(): void {
    for (const handshake of [...this.#pending.values()]) dismiss(handshake)
  }
}

/** By itself and not by its key, which is another one once it has been destroyed. */
function dismiss({ raw, end }: Handshake): void {
  end()
  raw.destroy()
}

/** A TLS socket is another object than the one it was made of, with the same ends. */
function keyOf({ localAddress, remoteAddress, remotePort }: Socket): string {
  return `${localAddress ?? ''} ${remoteAddress ?? ''} ${remotePort ?? ''}`
}

function late(): CatalogError {
  return new CatalogError('PEER_TIMEOUT', 'no handshake in time')
}
