/**
 * Against DNS names that were rebound to this machine, for which a browser takes us for their web site: such a request carries
 * that name in Host. Pure. What pages of other names send is browser-guard.ts.
 */
import { isIP } from 'node:net'

export interface HostCheck {
  /** Why the request is refused; undefined when it is not. */
  problem(headers: { host?: string | undefined }): string | undefined
}

export function createHostCheck(options: {
  readonly allowedHosts: readonly string[]
  /** That we listen on; who listens on a name wants to be called by it. */
  readonly addresses: readonly string[]
}): HostCheck {
  const names = ['localhost', ...options.addresses, ...options.allowedHosts]
  const allowed = new Set(names.map((name) => name.toLowerCase()))
  return {
    problem({ host }) {
      if (host === undefined || host === '') return 'the request has no Host header'
      const name = hostName(host)
      // A literal address cannot be rebound.
      if (name === undefined || (isIP(name) === 0 && !allowed.has(name))) {
        return 'this Host is not allowed; add it with --allowed-host if it is yours'
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
