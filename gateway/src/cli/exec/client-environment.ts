/**
 * Which registry goes behind the gateway for a command, and which package managers may be pointed at it: those that would use
 * just that registry by themselves, and lock what they would lock. In doubt one is left alone, with the reason.
 */
import { DEFAULT_REGISTRY } from '../../upstream/default-registry.ts'
import type { NpmConfig } from '../../upstream/npmrc.ts'
import { withoutUser } from '../../upstream/registries.ts'
import { connectionObstacle, connectionOf } from './client-connection.ts'
import { FAMILIES, type ClientFamily } from './client-family.ts'
import { npmConfigAt, registryOf, type ExecPlace } from './client-registry.ts'
import {
  isSharer,
  REPLACEMENTS,
  sharerOf,
  variablesFor,
  type Variables,
} from './client-variables.ts'
import { innerClients } from './inner-clients.ts'
import {
  gatewayObstacle,
  isBehind,
  isReplaced,
  type Behind,
  type StandingCatalog,
} from './registry-behind.ts'
import { bunObstacle, pnpmObstacle, type Obstacle } from './registry-replacement.ts'
import { mirrorObstacle } from './yarn-classic-mirror.ts'
import { canRelay } from './yarn-relay.ts'

export { withVariables } from './client-variables.ts'

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
  for (const family of FAMILIES) {
    const obstacle = obstacleOf(family, { place, npm, wish, upstream })
    if (obstacle === undefined) routed.push(family)
    else left.push({ family, ...obstacle })
  }
  const itself = (family: 'npm' | 'deno'): string => itselfOf(registryOf(family, place).url, wish)
  const registries = { npm: itself('npm'), deno: itself('deno') }
  const relayed = !wish.peersOnly && canRelay(registryOf('yarn-berry', place).url, upstream)
  const yarnRelay = relayed ? upstream : undefined
  const base = { place, npm, registries, routed, showsPublic: false, yarnRelay }
  const sharer = wish.family ?? sharerOf(innerClients(wish.command, place.cwd), base)
  const note = sharer === undefined && routed.some(isSharer) ? NOTE : undefined
  return {
    ...{ upstream, upstreamAsConfigured, credentials: main.credentials, routed, left, note },
    connection: connectionOf(wish.family ?? 'npm', place, upstream).settings,
    variables: (gateway, showsPublic = false) =>
      variablesFor({ ...base, sharer, gateway, showsPublic }),
  }
}

/** What it asks there is counted there; no variable of ours would make it ask otherwise. */
function stayAt(catalog: StandingCatalog): Routing {
  const upstream = catalog.upstream ?? DEFAULT_REGISTRY
  return {
    ...{ upstream, upstreamAsConfigured: upstream, credentials: {}, connection: {} },
    ...{ routed: [], left: [], note: undefined, stays: catalog, variables: () => ({}) },
  }
}

/** The registry that a client locks what it is shown of: its own, or the one behind a gateway that it is configured with. */
function itselfOf(url: string, wish: RoutingWish): string {
  const behind = wish.behind(url)
  const known = behind.kind === 'catalog' ? behind.catalog.upstream : behind.url
  return registryAt((behind.kind === 'gone' ? wish.upstream : known) ?? url)
}

const NOTE =
  'npm, pnpm 10, Yarn 1 and Deno inside of this command are not pointed at the gateway: nothing says that it starts only such as ' +
  'need the same npm_config_registry. Next step: put the client behind "--" (catalog exec -- npm ci)'

interface Question {
  readonly place: ExecPlace
  readonly npm: NpmConfig
  readonly wish: RoutingWish
  readonly upstream: string
}

function obstacleOf(
  family: ClientFamily,
  { place, npm, wish, upstream }: Question,
): Obstacle | undefined {
  const own = registryOf(family, place)
  const elsewhere = (url: string): Obstacle => ({ reason: `its registry is ${url}` })
  if (!/^https?:\/\//.test(own.url) || !URL.canParse(own.url)) return elsewhere(own.url)
  const behind = wish.behind(own.url)
  if (behind.kind !== 'registry' && !isReplaced(behind, wish)) return gatewayObstacle(behind)
  const wanted = registryAt(wish.upstream ?? itselfOf(own.url, wish))
  if (wanted !== upstream) return elsewhere(wanted)
  if (own.obstacle !== undefined) return { reason: own.obstacle }
  const connection = wish.peersOnly
    ? undefined
    : connectionObstacle(family, { place, wish, upstream })
  if (connection !== undefined) return connection
  if (family === 'yarn-classic') return mirrorObstacle(place)
  if (family !== 'npm' && family !== 'deno') {
    return LOCKFILE_OBSTACLES[family]?.(itselfOf(own.url, wish), place.cwd)
  }
  const itself = itselfOf(own.url, wish)
  const replacement = REPLACEMENTS[family](itself, npm, place.cwd)
  // What it locks is what its own registry shows, so that one must be behind us.
  if (replacement.kind === 'as-upstream' && itself !== upstream) return elsewhere(itself)
  return replacement.kind === 'impossible' ? { reason: replacement.reason } : undefined
}

/** What would be changed in a lockfile, or refused because of it, given the registry that the client is configured with. */
const LOCKFILE_OBSTACLES: Partial<
  Record<ClientFamily, (registry: string, cwd: string) => Obstacle | undefined>
> = {
  ...{ pnpm: pnpmObstacle, bun: bunObstacle },
}

export function registryAt(text: string): string {
  return withoutUser(URL.canParse(text) ? text : DEFAULT_REGISTRY)
}
