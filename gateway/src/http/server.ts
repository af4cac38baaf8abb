/**
 * Listens on the given addresses, with limits per client and in all; stop() drains: answers under way may finish. Knows nothing of
 * routes.
 */
import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http'
import type { ListenOptions, Socket } from 'node:net'
import { isAbsolute } from 'node:path'
import { CatalogError, errnoOf, type Logger } from '@catalog-p2p/core'
import { SecuredResponse } from './security-headers.ts'

export interface ServerOptions {
  readonly port: number
  /** Of interfaces; or whole paths of Unix sockets. */
  readonly addresses: readonly string[]
  readonly maxSockets: number
  readonly headersTimeoutMs: number
  readonly idleTimeoutMs: number
  readonly keepAliveMs: number
  readonly drainTimeoutMs: number
}

export interface Listener {
  /** @throws CatalogError PORT_IN_USE, HOST_FAILED */
  start(): Promise<{ port: number; urls: string[] }>
  /** Accepts nothing more, lets answers under way finish, then cuts what is left. */
  stop(): Promise<void>
}

/** What clients of this machine are pointed at, of what a listener is at. */
export function usualUrl(urls: readonly string[]): string {
  return urls.find((one) => one.startsWith('http://127.0.0.1:')) ?? urls[0] ?? ''
}

const MAX_HEADER_BYTES = 32 * 1024
const MAX_HEADERS = 100
const SWEEP_MS = 20
/** Connections above the limit that get a 503; any beyond are dropped. */
const REFUSED_SOCKETS = 256

export function createListener(
  deps: { log: Logger; handle: RequestListener },
  options: ServerOptions,
): Listener {
  const servers: Server[] = []

  function makeServer(): Server {
    const server = createServer(
      {
        maxHeaderSize: MAX_HEADER_BYTES,
        headersTimeout: options.headersTimeoutMs,
        // For a whole request, a publish over a slow line included; idleTimeoutMs ends one that stalls.
        requestTimeout: Math.max(options.idleTimeoutMs, options.headersTimeoutMs),
        keepAliveTimeout: options.keepAliveMs,
        connectionsCheckingInterval: 5_000,
        noDelay: true,
        ServerResponse: SecuredResponse,
      },
      (req, res) => (tooMany.has(req.socket) ? refuse(res) : deps.handle(req, res)),
    )
    const tooMany = new WeakSet<Socket>()
    let open = 0
    server.on('connection', (socket: Socket) => {
      open += 1
      socket.once('close', () => (open -= 1))
      if (open > options.maxSockets) tooMany.add(socket)
    })
    server.maxHeadersCount = MAX_HEADERS
    server.maxConnections = options.maxSockets + REFUSED_SOCKETS
    server.timeout = options.idleTimeoutMs
    return server
  }

  async function listen(address: string, port: number): Promise<number> {
    const server = makeServer()
    const listening = Promise.withResolvers<void>()
    server.once('error', listening.reject)
    server.listen(placeOf(address, port), listening.resolve)
    await listening.promise
    server.off('error', listening.reject)
    server.on('error', (error) => deps.log.error('gateway.socket', { error }))
    servers.push(server)
    const bound = server.address()
    return typeof bound === 'string' || bound === null ? 0 : bound.port
  }

  async function stop(): Promise<void> {
    const closing = servers.map(
      (server) => new Promise<void>((resolve) => server.close(() => resolve())),
    )
    // A connection that is kept alive is idle only once its answer is out.
    const sweep = setInterval(() => {
      for (const server of servers) server.closeIdleConnections()
    }, SWEEP_MS)
    const deadline = setTimeout(() => {
      for (const server of servers) server.closeAllConnections()
    }, options.drainTimeoutMs)
    await Promise.all(closing)
    clearInterval(sweep)
    clearTimeout(deadline)
    servers.length = 0
  }

  return {
    stop,
    async start() {
      let { port } = options
      const urls: string[] = []
      for (const address of options.addresses) {
        try {
          port = await listen(address, port)
          urls.push(urlOf(address, port))
        } catch (error) {
          if (isUnavailable(error) && options.addresses.length > 1) {
            deps.log.debug('gateway.address-unavailable', { address })
            continue
          }
          await stop()
          throw toListenError(error, address, port)
        }
      }
      if (urls.length > 0) return { port, urls }
      throw new CatalogError('HOST_FAILED', `cannot listen on ${options.addresses.join(', ')}`)
    },
  }
}

/** Package managers try again after a 503, and close this connection for others. */
function refuse(res: ServerResponse): void {
  const body = JSON.stringify({
    error: 'too many connections: --max-sockets sets the limit (128 over a bridge)',
  })
  res.writeHead(503, {
    ...{ 'retry-after': '1', connection: 'close', 'content-type': 'application/json' },
    'content-length': Buffer.byteLength(body),
  })
  res.end(body)
}

function placeOf(address: string, port: number): ListenOptions {
  if (isAbsolute(address)) return { path: address }
  return { host: address, port, exclusive: true, ipv6Only: true }
}

/** 0.0.0.0 and :: are shown as loopback; not every system can connect to them. */
function urlOf(address: string, port: number): string {
  const name = { '0.0.0.0': '127.0.0.1', '::': '::1' }[address] ?? address
  return `http://${name.includes(':') ? `[${name}]` : name}:${port}/`
}

// A machine without IPv6 (or without IPv4) listens on what it has.
function isUnavailable(error: unknown): boolean {
  const code = errnoOf(error)
  return code === 'EADDRNOTAVAIL' || code === 'EAFNOSUPPORT'
}

function toListenError(error: unknown, address: string, port: number): CatalogError {
  if (errnoOf(error) === 'EADDRINUSE') {
    return new CatalogError('PORT_IN_USE', `port ${port} on ${address} is in use`, {
      cause: error,
      hint: 'perhaps catalog runs already (catalog status); otherwise choose another port with --port',
    })
  }
  const reason = error instanceof Error ? error.message : String(error)
  return new CatalogError('HOST_FAILED', `cannot listen on ${address} port ${port}: ${reason}`, {
    cause: error,
    hint: 'choose another port with --port, or other addresses',
  })
}
