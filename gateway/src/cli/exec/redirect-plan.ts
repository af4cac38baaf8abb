/**
 * How a client is pointed at a gateway: by variables alone, and only where it then asks for the same packages at the same registry,
 * and locks what it would lock. For everything else there is a reason, and the command runs as it would without us.
 *
 * Which variables work was found by running the clients (test/e2e/exec.test.ts runs them again). Most win over every file, in every
 * folder that the command goes to; so they are given to commands that install, and not where these start a client elsewhere.
 */
import { redactUrl } from '../../http/redact-url.ts'
import { UPSTREAM_VIEW } from '../../http/request-target.ts'
import {
  DEFAULT_REGISTRY,
  DEFAULT_REGISTRY_HOST,
  isYarnAlias,
} from '../../upstream/default-registry.ts'
import type { NpmConfig } from '../../upstream/npmrc.ts'
import { withoutUser } from '../../upstream/registries.ts'
import type { ClientSettings } from './ask-client.ts'
import type { ClientCommand } from './client-command.ts'
import { startsOtherClients } from './lifecycle-scripts.ts'
import { npmHostReplacement, pnpmLocksTarballsOf, tarballObstacle } from './lockfile-hosts.ts'
import { SkippedClient } from './skipped-client.ts'
import type { Variables } from './variables.ts'
import { hasRelay, relayVariables } from './yarn-relay.ts'

export interface RedirectPlan {
  /** The registry behind the gateway, as it is configured: it may hold a user and a password. */
  readonly registry: string
  /** The registry's metadata of a package decides how npm is told: ask for one. */
  readonly needsTarballUrl: boolean
  /** npm's own configuration names no registry: a file that every other one wins over is enough. */
  readonly isWeak: boolean
  /** @throws SkippedClient when `tarball`, the URL of one in the registry's metadata, leaves no way */
  variables(gateway: string, tarball: string | undefined): Variables
}

export interface PlanRequest {
  /** undefined: another command, in which npm may run. */
  readonly client: ClientCommand | undefined
  /** What the client, or npm, answered. */
  readonly settings: ClientSettings
  /** npm's configuration as files and variables have it here. */
  readonly npm: NpmConfig
  /** Chosen by the user for the gateway. */
  readonly upstream: string | undefined
  readonly peersOnly: boolean
  /** Those that Yarn loads anyway (YARN_PLUGINS). */
  readonly plugins: string | undefined
  /** What the client would ask: its answer, or what was behind the gateway that it names. */
  readonly registry: string
}

/** @throws SkippedClient */
export function planRedirect(request: PlanRequest): RedirectPlan {
  const { client, upstream } = request
  const own = request.registry
  const registry = upstream ?? own
  const isOther = !isPublicRegistry(own) && withoutUser(own) !== withoutUser(registry)
  // The user's choice is for what has no registry of its own.
  if (isOther) throw new SkippedClient(`its registry is ${redactUrl(own)}`)
  if (client?.isInstall !== true) return weakPlan(request, registry)
  if (client.family === 'npm' && isWeak(request)) return weakPlan(request, registry)
  // Only Yarn 1 knows its variable (yarn-classic-mirror.ts).
  if (client.family === 'yarn-classic') return plainPlan(registry, () => ({}))
  if (startsOtherClients(client)) {
    throw new SkippedClient(
      'a script in package.json starts another client, or one in another folder',
    )
  }
  switch (client.family) {
    case 'npm':
      return npmPlan(request, client, registry)
    case 'pnpm':
      return pnpmPlan(request, client, registry)
    case 'yarn-berry':
      return yarnPlan(request, registry)
    case 'bun':
      return plainPlan(registry, (gateway) => ({ BUN_CONFIG_REGISTRY: gateway }))
    case 'deno':
      return plainPlan(registry, (gateway) => ({ NPM_CONFIG_REGISTRY: gateway }))
  }
}

function plainPlan(registry: string, variables: (gateway: string) => Variables): RedirectPlan {
  return { registry, needsTarballUrl: false, isWeak: false, variables }
}

/** npm's own, or Yarn's name of it. */
export function isPublicRegistry(text: string): boolean {
  return new URL(text).host === DEFAULT_REGISTRY_HOST || isYarnAlias(new URL(text))
}

/** As it is asked. */
export function registryOf(settings: ClientSettings, family: ClientCommand['family']): string {
  const url = settings.get(family === 'yarn-berry' ? 'npmRegistryServer' : 'registry')
  if (typeof url !== 'string' || !/^https?:\/\//.test(url) || !URL.canParse(url)) {
    throw new SkippedClient('it does not say which registry it asks')
  }
  return isYarnAlias(new URL(url)) ? DEFAULT_REGISTRY : url
}

function isWeak({ npm, registry }: PlanRequest): boolean {
  return isPublicRegistry(registry) && npm.get('registry') === undefined
}

/**
 * For commands in which npm may run anywhere: npm's global file, which the files of every folder win over, and which no other
 * client but pnpm 10 reads.
 */
function weakPlan(request: PlanRequest, registry: string): RedirectPlan {
  if (request.client !== undefined && request.client.family !== 'npm') {
    throw new SkippedClient('this command of it does not install')
  }
  if (!isWeak(request)) {
    const next = 'put the client itself behind "--" (catalog exec -- npm ci)'
    const shown = redactUrl(request.registry)
    throw new SkippedClient(
      `its registry is named here (${shown}), and may be another one elsewhere`,
      next,
    )
  }
  return { registry, needsTarballUrl: false, isWeak: true, variables: () => ({}) }
}

function npmPlan(request: PlanRequest, { cwd }: ClientCommand, registry: string): RedirectPlan {
  const plain = (gateway: string): Variables => ({ npm_config_registry: gateway })
  if (isPublicRegistry(request.registry)) return plainPlan(registry, plain)
  const replaced = request.settings.get('replace-registry-host')
  if (replaced !== 'npmjs' && replaced !== 'always') {
    throw new SkippedClient(`its replace-registry-host is ${String(replaced)}`)
  }
  const scoped = [...request.settings].flatMap(([key, value]) =>
    /^@[^:/]+:registry$/.test(key) ? [String(value)] : [],
  )
  const replacement = npmHostReplacement(withoutUser(registry), { cwd, scoped })
  if (replacement.kind === 'impossible') throw new SkippedClient(replacement.reason)
  if (replacement.kind === 'none') return plainPlan(registry, plain)
  const variables = (gateway: string, tarball = ''): Variables => {
    // A registry that passes on the public one's URLs: npm replaces those by itself.
    if (URL.canParse(tarball) && isPublicRegistry(tarball)) return plain(gateway)
    const obstacle = tarballObstacle(tarball, withoutUser(registry))
    if (obstacle !== undefined) throw new SkippedClient(obstacle)
    return {
      npm_config_registry: `${gateway.replace(/\/$/, '')}${UPSTREAM_VIEW}/`,
      npm_config_replace_registry_host: replacement.host,
    }
  }
  return { registry, isWeak: false, needsTarballUrl: true, variables }
}

function pnpmPlan(
  { settings }: PlanRequest,
  { cwd }: ClientCommand,
  registry: string,
): RedirectPlan {
  // In either spelling, by its version.
  const names = ['lockfileIncludeTarballUrl', 'lockfile-include-tarball-url']
  if (names.some((name) => settings.get(name) === true || settings.get(name) === 'true')) {
    throw new SkippedClient('it locks the URLs of tarballs (lockfileIncludeTarballUrl)')
  }
  if (pnpmLocksTarballsOf(registry, cwd)) {
    throw new SkippedClient(`pnpm-lock.yaml names tarballs on ${new URL(registry).host}`)
  }
  // pnpm 10 reads npm's variable, newer ones their own.
  return plainPlan(registry, (gateway) => ({
    ...{ npm_config_registry: gateway, pnpm_config_registry: gateway },
  }))
}

function yarnPlan(request: PlanRequest, registry: string): RedirectPlan {
  const { settings, peersOnly } = request
  const isPublic = isPublicRegistry(request.registry)
  if (!isPublic && !peersOnly && hasRelay()) {
    const relayed = withoutUser(registry)
    return plainPlan(registry, (gateway) =>
      relayVariables(request.plugins, { gateway, registry: relayed }),
    )
  }
  if (typeof settings.get('httpProxy') === 'string') {
    throw new SkippedClient('Yarn sends everything through its httpProxy')
  }
  const listed = settings.get('unsafeHttpWhitelist')
  const unsafe = Array.isArray(listed) ? listed.map(String) : []
  // Yarn builds tarball URLs from it and compares them as text: no trailing slash, as its own default.
  return plainPlan(registry, (gateway) => ({
    YARN_NPM_REGISTRY_SERVER: gateway.replace(/\/$/, ''),
    YARN_UNSAFE_HTTP_WHITELIST: [...new Set([new URL(gateway).hostname, ...unsafe])].join(','),
  }))
}
