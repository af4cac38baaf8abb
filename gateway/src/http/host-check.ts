/**
 * Against web pages that reach for localhost: a DNS name that was rebound to this machine carries its own name in Host, and
 * a page of another origin that would change something says so in Origin. Pure.
 */
import { isIP } from 'node:net'

export interface HostCheck {
  /** Why the request is refused; undefined when it is not. */
  problem(
    method: string,
    headers: { host?: string | undefined; origin?: string | undefined },
  ): string | undefined
}

export function createHostCheck(options: {
  readonly allowedHosts: readonly string[]
  /** That we listen on; who listens on a name wants to be called by it. */
  readonly addresses: readonly string[]
}): HostCheck {
  const names = ['localhost', ...options.addresses, ...options.allowedHosts]
  const allowed = new Set(names.map((name) => name.toLowerCase()))
  return {
    problem(method, { host, origin }) {
      if (host === undefined || host === '') return 'the request has no Host header'
      const name = hostName(host)
      // A literal address cannot be rebound.
      if (name === undefined || (isIP(name) === 0 && !allowed.has(name))) {
        return 'this Host is not allowed; add it with --allowed-host if it is yours'
      }
      const reads = method === 'GET' || method === 'HEAD'
      if (!reads && origin !== undefined && !sameHost(origin, host)) {
        return 'requests from other web pages may not change anything'
      }
      return undefined
    },
  }
}

/** Without port and brackets, in lower case. */
function hostName(host: string): string | undefined {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::\d{1,5})?$/.exec(host)
  return (match?.[1] ?? match?.[2])?.toLowerCase()
}

function sameHost(origin: string, host: string): boolean {
  return URL.canParse(origin) && new URL(origin).host === host.toLowerCase()
}
