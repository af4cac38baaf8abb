/**
 * Against DNS rebinding: a page whose host name resolves to this machine counts as of one origin with us for a browser. Its
 * requests carry that name in Host. Pure. Requests from pages of other origins are for browser-guard.ts.
 */
import { isIP } from 'node:net'
import { remembered } from './remembered.ts'

export interface HostCheck {
  /** Why the request is refused; undefined when it is not. */
  problem(headers: { host?: string | undefined }): string | undefined
  /**
   * Whether this Host is one of the few names that this gateway has for itself, spelled as usual. Clients choose the header,
   * and any literal address is accepted.
   */
  isOwn(host: string | undefined, at: LocalEnd): boolean
}

/** Our end of a connection, as net.Socket names it. */
export interface LocalEnd {
  readonly localAddress?: string | undefined
  readonly localPort?: number | undefined
}

export function createHostCheck(options: {
  readonly allowedHosts: readonly string[]
  /** Addresses that we listen on; a name among them is accepted. */
  readonly addresses: readonly string[]
}): HostCheck {
  const names = ['localhost', ...options.addresses, ...options.allowedHosts]
  const allowed = new Set(names.map((name) => name.toLowerCase()))
  const own = new Set(['127.0.0.1', '::1', ...allowed].map(asHost))
  const isAllowed = remembered((host = '') => {
    const name = hostName(host)
    // A literal address cannot be rebound.
    return name !== undefined && (isIP(name) !== 0 || allowed.has(name))
  })
  return {
    problem({ host }) {
      if (host === undefined || host === '') return 'the request has no Host header'
      if (isAllowed(host)) return undefined
      return 'this Host is not allowed; add it with --allowed-host if it is yours'
    },
    isOwn(host = '', { localAddress = '', localPort }) {
      // Behind a proxy on the usual port it is named without one.
      const port = `:${localPort}`
      const name = host.endsWith(port) ? host.slice(0, -port.length) : host
      if (own.has(name)) return true
      // Of 127.0.0.0/8 Linux has sixteen million, all of them this machine.
      return !/^$|^127\./.test(localAddress) && name === asHost(localAddress)
    },
  }
}

function asHost(name: string): string {
  return isIP(name) === 6 ? `[${name}]` : name
}

/** Without port and brackets, in lower case. */
function hostName(host: string): string | undefined {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::\d{1,5})?$/.exec(host)
  return (match?.[1] ?? match?.[2])?.toLowerCase()
}
