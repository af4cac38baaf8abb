/**
 * What guests may ask: containers and the like, which get no more than a stranger to the registry would. A list of what is
 * allowed, never of what is not; and nothing that they send of credentials is looked at or passed on. Nor, in a private swarm, a hash:
 * what all of its members may have is public there, and under a hash a guest can call it anything. Pure.
 */
import type { IncomingHttpHeaders } from 'node:http'
import type { RequestTarget } from '../http/request-target.ts'
import type { RouteName } from '../http/route.ts'
import { isPackageRead } from '../registry-api/package-read.ts'

export interface GuestRules {
  /** Names that the user keeps to himself, or shares with his swarm. */
  readonly isPrivate: (name: string) => boolean
  /** Names that come from publishers of the network, and no registry. */
  readonly isOfNetwork: (name: string) => boolean
  /** Whether what is public here is so for members of a private swarm alone. */
  readonly isInSwarm: boolean
}

const SECRET_HEADERS = [
  ...['authorization', 'proxy-authorization', 'cookie', 'npm-otp', 'npm-session'],
  'x-catalog-token',
]

/** Why it is refused; undefined: it is not. */
export function guestProblem(
  target: RequestTarget,
  { isPrivate, isOfNetwork, isInSwarm }: GuestRules,
): string | undefined {
  const { route } = target
  const name = route.route === 'shared' ? route.tarball.name : 'name' in route && route.name
  if (typeof name === 'string') {
    if (isPrivate(name)) return `${name} is private on this machine`
    if (isInSwarm && isOfNetwork(name)) return `${name} is published in this swarm, for its members`
  }
  if (route.route === 'shared' && isInSwarm) return 'what this swarm shares is for its members'
  return isAllowed(target) ? undefined : 'guests may read public packages, and nothing else'
}

const READS: ReadonlySet<RouteName> = new Set<RouteName>([
  ...(['packument', 'tarball', 'shared', 'dist-tags', 'ping', 'keys', 'health'] as const),
])

function isAllowed(target: RequestTarget): boolean {
  const { route } = target.route
  if (READS.has(route)) return target.method === 'GET' || target.method === 'HEAD'
  // A search asks peers as well, and names what is kept here.
  const isSearch = target.path.startsWith('/-/v1/search')
  return route === 'passthrough' && isPackageRead(target) && !isSearch
}

/** Which bytes a version is says its registry then, and never the guest. */
const HASH_HEADER = 'pacote-integrity'

export function dropHeaders(headers: IncomingHttpHeaders, { isInSwarm }: GuestRules): void {
  for (const name of SECRET_HEADERS) delete headers[name]
  if (isInSwarm) delete headers[HASH_HEADER]
}
