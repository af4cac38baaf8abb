/**
 * Which registry goes behind the gateway for a command, and which package managers may be pointed at it: those that would use
 * just that registry by themselves, and lock what they would lock. In doubt one is left alone, with the reason.
 */
import { DEFAULT_REGISTRY } from '../../upstream/default-registry.ts'
import { connectionOf } from './client-connection.ts'
import { FAMILIES, type ClientFamily } from './client-family.ts'
import { changedBy, itselfOf, obstacleInside, obstacleOf, registryAt } from './client-obstacle.ts'
import { npmConfigAt, registryOf, type ExecPlace } from './client-registry.ts'
import { isSharer, sharerOf, variablesFor, type Variables } from './client-variables.ts'
import type { InnerWork } from './inner-clients.ts'
import { isBehind, type Behind, type StandingCatalog } from './registry-behind.ts'
import type { Obstacle } from './registry-replacement.ts'
import { canRelay } from './yarn-relay.ts'

export interface Routing {
  /** The registry that the clients would use without us, so what the gateway must have behind it; without credentials. */
  readonly upstream: string
  /** As it is configured: its URL may hold a user and a password. */
  readonly upstreamAsConfigured: string
  /** Credentials beyond npm's configuration that the gateway needs for it. */
  readonly credentials: Readonly<Record<string, string>>
  /** How the client connects to it, beyond npm's configuration and in its spelling. */
  readonly connection: Readonly<Record<string, string>>
  readonly routed: readonly ClientFamily[]
  /** For the user of a command that may start any client: that some are left alone, why, and what to do. */
  readonly note: string | undefined
  /** Left to go where they go, and why. */
  readonly left: readonly LeftClient[]
  /** The catalog that the command's client is configured with: it stays there, and needs no variable. */
  readonly stays?: StandingCatalog
  /** For the command, given the gateway's URL, and whether tarballs in the registry's metadata are on the public one. */
  variables(gateway: string, showsPublic?: boolean): Variables
}

export interface LeftClient extends Obstacle {
  readonly family: ClientFamily
}

export interface RoutingWish {
  readonly command: readonly string[]
  /** Of the command; undefined: anything. */
  readonly family: ClientFamily | undefined
  /** Chosen by the user for the gateway; undefined: the client's own. */
  readonly upstream: string | undefined
  /** What a registry that is a gateway of ours has behind it. */
  readonly behind: (url: string) => Behind
  /** No registry is to be asked, by nobody. */
  readonly peersOnly: boolean
  /** What else the command may start, and where. */
  readonly inside: InnerWork
}

export function planRouting(place: ExecPlace, wish: RoutingWish): Routing {
  const npm = npmConfigAt(place)
  const main = registryOf(wish.family ?? 'npm', place)
  const behind = wish.behind(main.url)
  if (behind.kind === 'catalog' && isBehind(behind.catalog, wish)) return stayAt(behind.catalog)
  const upstreamAsConfigured =
    wish.upstream ?? (behind.kind === 'registry' ? behind.url : itselfOf(main.url, wish))
  const upstream = registryAt(upstreamAsConfigured)
  const routed: ClientFamily[] = []
  const left: LeftClient[] = []
  const inside: LeftClient[] = []
  const { clients, changes } = wish.inside
  for (const family of FAMILIES) {
    const question = { place, wish, upstream }
    const obstacle = obstacleOf(family, question)
    const elsewhere = obstacle === undefined ? obstacleInside(family, question) : undefined
    if (elsewhere !== undefined) inside.push({ family, ...elsewhere })
    else if (obstacle === undefined) routed.push(family)
    else left.push({ family, ...obstacle })
  }
  left.push(...inside)
  // First what the command is about.
  left.sort((a, b) => Number(clients.has(b.family)) - Number(clients.has(a.family)))
  const itself = (family: 'npm' | 'deno'): string => itselfOf(registryOf(family, place).url, wish)
  const registries = { npm: itself('npm'), deno: itself('deno') }
  const relayed = !wish.peersOnly && canRelay(registryOf('yarn-berry', place).url, upstream)
  const yarnRelay = relayed ? upstream : undefined
  // A variable is for all that the command starts: none for what nothing names.
  const named = routed.filter((family) => family === wish.family || clients.has(family))
  const base = { place, npm, registries, routed: named, showsPublic: false, yarnRelay }
  const sharer = sharerWithin(wish, base)
  const lines = [
    ...(changes === undefined
      ? []
      : [`no client is pointed at the gateway: ${changedBy(changes)}`]),
    ...(changes === undefined &&
    sharer === undefined &&
    [...routed, ...inside.map((one) => one.family)].some(isSharer)
      ? [NOTE]
      : []),
    ...inside
      .filter(({ family }) => changes === undefined && clients.has(family))
      .map(({ family, reason }) => `${family} is not pointed at the gateway: ${reason}`),
  ]
  const note = lines.length === 0 ? undefined : lines.join('; ')
  return {
    ...{ upstream, upstreamAsConfigured, credentials: main.credentials, routed, left, note },
    connection: connectionOf(wish.family ?? 'npm', place, upstream).settings,
    variables: (gateway, showsPublic = false) =>
      variablesFor({ ...base, sharer, gateway, showsPublic }),
  }
}

/** Whose npm_config_registry the command gets. A client that starts others passes it on to them. */
function sharerWithin(
  { family, inside: { clients, started } }: RoutingWish,
  base: Parameters<typeof sharerOf>[1],
): ClientFamily | undefined {
  if (family === undefined) return sharerOf(clients, base)
  const others = [...started].filter((one) => one !== family && isSharer(one))
  return others.length === 0 ? family : sharerOf(new Set([family, ...others]), base)
}

/** What it asks there is counted there; no variable of ours would make it ask otherwise. */
function stayAt(catalog: StandingCatalog): Routing {
  const upstream = catalog.upstream ?? DEFAULT_REGISTRY
  return {
    ...{ upstream, upstreamAsConfigured: upstream, credentials: {}, connection: {} },
    ...{ routed: [], left: [], note: undefined, stays: catalog, variables: () => ({}) },
  }
}

const NOTE =
  'npm, pnpm 10, Yarn 1 and Deno inside of this command are not pointed at the gateway: nothing says that it starts only such as ' +
  'need the same npm_config_registry. Next step: put the client behind "--" (catalog exec -- npm ci)'
