/**
 * Where a command's gateway listens, open before there is a gateway, so that the command can start meanwhile. What a client asks
 * waits; where no gateway comes of it, who asks is sent to the registry itself. Knows nothing of packages, and sends nobody anywhere while a
 * gateway answers.
 */
import { randomBytes } from 'node:crypto'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { isCatalogError, type Logger } from '@catalog-p2p/core'
import type { Config } from '../../config/resolve.ts'
import { browserProblem } from '../../http/browser-guard.ts'
import { createHostCheck, type HostCheck } from '../../http/host-check.ts'
import { createListener, usualUrl, type Listener } from '../../http/server.ts'
import { parseGatewayOptions, type ParsedGatewayOptions } from '../../options.ts'
import { OTHER_PORTS } from './exec-gateway.ts'

export interface FrontDoor {
  readonly url: string
  readonly port: number
  /** Headers of a request that does not wait. */
  readonly key: Readonly<Record<string, string>>
  /** For a gateway, in place of sockets of its own. */
  listen(handle: RequestListener): Listener
  /** From now on the gateway answers, first what waits. */
  open(): void
  /** From now on, and for what waits: the registry is asked. Not after `open`. */
  redirect(registry: string): void
  /** Idempotent. */
  close(): Promise<void>
}

const KEY = 'x-catalog-key'
/** Of this gateway alone: no registry gets to hear of it. */
const OWN_PATH = /^\/-\/catalog(?:\/|$)/

/** At the configured port, or another one of ours. @throws CatalogError PORT_IN_USE, HOST_FAILED */
export async function openFrontDoor(
  config: Pick<Config, 'gateway'>,
  log: Logger,
): Promise<FrontDoor> {
  const options = parseGatewayOptions(config.gateway)
  const ports = [options.port, ...OTHER_PORTS]
  for (const [at, port] of ports.entries()) {
    const door = new Door(options)
    const listener = createListener({ log, handle: door.handle }, { ...options, port })
    try {
      return door.at(listener, await listener.start())
    } catch (error) {
      if (!isCatalogError(error, 'PORT_IN_USE') || at === ports.length - 1) throw error
    }
  }
  throw new Error('no port to listen on')
}

class Door implements FrontDoor {
  readonly #secret = randomBytes(16).toString('base64url')
  readonly key = { [KEY]: this.#secret }
  readonly #waiting = new Set<() => void>()
  /** One connection may bring any number of requests. */
  readonly #maxWaiting: number
  readonly #hosts: HostCheck
  #listener: Listener | undefined
  #place: { port: number; urls: string[] } = { port: 0, urls: [] }
  #gateway: RequestListener | undefined
  #answer: RequestListener | undefined

  constructor(options: ParsedGatewayOptions) {
    this.#maxWaiting = options.maxSockets
    this.#hosts = createHostCheck(options)
  }

  at(listener: Listener, place: { port: number; urls: string[] }): this {
    this.#listener = listener
    this.#place = place
    return this
  }

  get url(): string {
    return usualUrl(this.#place.urls)
  }

  get port(): number {
    return this.#place.port
  }

  handle = (req: IncomingMessage, res: ServerResponse): void => {
    const isTrial = this.#gateway !== undefined && req.headers[KEY] === this.#secret
    Reflect.deleteProperty(req.headers, KEY)
    // Who looks for a catalog here is told at once: until there is one, that there is none.
    const isOwn = OWN_PATH.test(req.url ?? '')
    const answer = isTrial ? this.#gateway : (this.#answer ?? (isOwn ? this.#gateway : undefined))
    if (answer !== undefined) return answer(req, res)
    if (this.#isForeign(req)) return refuse(res, 403)
    if (isOwn || this.#waiting.size >= this.#maxWaiting) return refuse(res, 503)
    const go = (): void => this.#answer?.(req, res)
    this.#waiting.add(go)
    res.once('close', () => this.#waiting.delete(go))
  }

  listen(handle: RequestListener): Listener {
    return {
      start: () => {
        this.#gateway = handle
        return Promise.resolve(this.#place)
      },
      stop: async () => {
        this.#gateway = undefined
        // One that has not been opened may be followed by another, or by none.
        if (this.#answer === handle) await this.close()
      },
    }
  }

  open(): void {
    if (this.#gateway !== undefined) this.#answerBy(this.#gateway)
  }

  redirect(registry: string): void {
    this.#answerBy((req, res) => {
      if (this.#isForeign(req)) return refuse(res, 403)
      sendOn(registry, req, res)
    })
  }

  async close(): Promise<void> {
    if (this.#answer === undefined) this.#answerBy((_, res) => refuse(res, 503))
    await this.#listener?.stop()
  }

  /** From a web page: a gateway turns it away itself. */
  #isForeign({ headers }: IncomingMessage): boolean {
    return (this.#hosts.problem(headers) ?? browserProblem(headers)) !== undefined
  }

  #answerBy(answer: RequestListener): void {
    if (this.#answer !== undefined) return
    this.#answer = answer
    for (const go of this.#waiting) go()
    this.#waiting.clear()
  }
}

/** Clients go there with their own authorities and proxies; of credentials there are none (ahead-of-gateway.ts). */
function sendOn(registry: string, { url = '' }: IncomingMessage, res: ServerResponse): void {
  if (!url.startsWith('/') || OWN_PATH.test(url)) return refuse(res, 404)
  res.writeHead(307, { location: registry.replace(/\/$/, '') + url, 'content-length': 0 }).end()
}

function refuse(res: ServerResponse, status: number): void {
  res.writeHead(status, { connection: 'close', 'content-length': 0 }).end()
}
