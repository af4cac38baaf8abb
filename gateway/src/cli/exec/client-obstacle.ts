/**
 * Why a client can't be pointed at a gateway with a given registry behind it: by itself it would ask another one, or in another
 * way, or lock what it would not lock. Asked for each folder that it may work in; in doubt there is a reason. Reads, never writes.
 */
import { relative } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { DEFAULT_REGISTRY } from '../../upstream/default-registry.ts'
import { configuredCredentials } from '../../upstream/credentials.ts'
import { npmConfigFrom, type NpmConfig } from '../../upstream/npmrc.ts'
import { withoutUser } from '../../upstream/registries.ts'
import { connectionKey, connectionObstacle, connectionOf } from './client-connection.ts'
import type { RoutingWish } from './client-environment.ts'
import type { ClientFamily } from './client-family.ts'
import { npmConfigAt, registryOf, type ExecPlace } from './client-registry.ts'
import { REPLACEMENTS } from './client-variables.ts'
import { gatewayNpmConfig } from './gateway-npm-config.ts'
import { gatewayObstacle, isReplaced } from './registry-behind.ts'
import { bunObstacle, pnpmObstacle, type Obstacle } from './registry-replacement.ts'
import { mirrorObstacle } from './yarn-classic-mirror.ts'

interface Question {
  readonly place: ExecPlace
  readonly wish: RoutingWish
  /** Behind the gateway. */
  readonly upstream: string
}

export function obstacleOf(
  family: ClientFamily,
  { place, wish, upstream }: Question,
): Obstacle | undefined {
  const own = registryOf(family, place)
  const elsewhere = (url: string): Obstacle => ({ reason: `its registry is ${url}` })
  if (!/^https?:\/\//.test(own.url) || !URL.canParse(own.url)) return elsewhere(own.url)
  const behind = wish.behind(own.url)
  if (behind.kind !== 'registry' && !isReplaced(behind, wish)) return gatewayObstacle(behind)
  const itself = itselfOf(own.url, wish)
  const wanted = wish.upstream === undefined ? itself : registryAt(wish.upstream)
  if (wanted !== upstream) return elsewhere(wanted)
  if (own.obstacle !== undefined) return { reason: own.obstacle }
  const connection = wish.peersOnly
    ? undefined
    : connectionObstacle(family, { place, wish, upstream })
  if (connection !== undefined) return connection
  if (!wish.peersOnly && lacksCredentials(family, { place, wish, upstream })) {
    return {
      reason: 'its credentials for the registry are its own, and the gateway has others or none',
    }
  }
  if (family === 'yarn-classic') return mirrorObstacle(place)
  if (family !== 'npm' && family !== 'deno') return LOCKFILE_OBSTACLES[family]?.(itself, place.cwd)
  const replacement = REPLACEMENTS[family](itself, npmConfigAt(place), place.cwd)
  // What it locks is what its own registry shows, so that one must be behind us.
  if (replacement.kind === 'as-upstream' && itself !== upstream) return elsewhere(itself)
  return replacement.kind === 'impossible' ? { reason: replacement.reason } : undefined
}

/** What would be changed in a lockfile, or refused because of it, given the registry that the client is configured with. */
const LOCKFILE_OBSTACLES: Partial<
  Record<ClientFamily, (registry: string, cwd: string) => Obstacle | undefined>
> = { pnpm: pnpmObstacle, bun: bunObstacle }

/**
 * The variables of a command are for every folder that something in it may work in, and win over the files there: they must be
 * right in all of them.
 */
export function obstacleInside(family: ClientFamily, question: Question): Obstacle | undefined {
  const { place, wish } = question
  const { folders, isComplete, goesElsewhere, changes } = wish.inside
  if (changes !== undefined) return { reason: changedBy(changes) }
  // Yarn 1 has none; and what a client itself asks is known, whatever its scripts do.
  if (family === 'yarn-classic' || !goesElsewhere) return undefined
  if (!isComplete) {
    if (family === wish.family) return undefined
    return {
      reason:
        'there are too many folders here, or they are too slow to read, to see what it would ask in each',
    }
  }
  const here = needsOf(family, question)
  const { project, ...anywhere } = place
  for (const cwd of folders) {
    const there = { ...question, place: project === null ? place : { ...anywhere, cwd } }
    const name = relative(place.cwd, cwd)
    const obstacle = obstacleOf(family, there)
    if (obstacle !== undefined) return { ...obstacle, reason: `in ${name} ${obstacle.reason}` }
    if (!isDeepStrictEqual(needsOf(family, there), here)) {
      return { reason: `in ${name} its settings or its lockfile need another gateway` }
    }
  }
  return undefined
}

/** What will be asked then, only the command knows; our variables would win over it. */
export function changedBy(changes: string): string {
  return `the command, or a script in package.json, names ${changes}, so it may change the registry itself`
}

/** All that the gateway and the variables are made of. */
function needsOf(family: ClientFamily, { place, wish, upstream }: Question): unknown {
  const npm = npmConfigAt(place, family)
  const { url, credentials } = registryOf(family, place)
  const replaces = family === 'npm' || family === 'deno'
  return {
    credentials,
    secrets: secretsOf(npm),
    connection: connectionKey(connectionOf(family, place, upstream).settings, npm),
    replacement: replaces && REPLACEMENTS[family](itselfOf(url, wish), npm, place.cwd),
  }
}

/**
 * The gateway has those of the command's own client, or of npm. A client that has none needs none. Yarn 2 and newer read none
 * of npm's; Bun's own are an obstacle anyway.
 */
function lacksCredentials(family: ClientFamily, { place, wish, upstream }: Question): boolean {
  const main = wish.family ?? 'npm'
  if (family === main) return false
  const sent = (npm: NpmConfig, more: Readonly<Record<string, string>>): string | undefined => {
    const config = gatewayNpmConfig(npm, more, {})
    const url = new URL(upstream)
    return configuredCredentials(config, url, new Set([url.origin]))?.authorization
  }
  const { credentials } = registryOf(family, place)
  const npm = family === 'yarn-berry' ? npmConfigFrom({}) : npmConfigAt(place, family)
  const own = sent(npm, credentials)
  return (
    own !== undefined && own !== sent(npmConfigAt(place, main), registryOf(main, place).credentials)
  )
}

function secretsOf(npm: NpmConfig): unknown {
  const keys = [...npm.keys()].filter((key) => key.startsWith('//') || key.startsWith('_')).sort()
  return keys.map((key) => [key, npm.get(key)])
}

/** The registry that a client locks what it is shown of: its own, or the one behind a gateway that it is configured with. */
export function itselfOf(url: string, wish: RoutingWish): string {
  const behind = wish.behind(url)
  const known = behind.kind === 'catalog' ? behind.catalog.upstream : behind.url
  return registryAt((behind.kind === 'gone' ? wish.upstream : known) ?? url)
}

export function registryAt(text: string): string {
  return withoutUser(URL.canParse(text) ? text : DEFAULT_REGISTRY)
}
