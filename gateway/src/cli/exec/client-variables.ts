/**
 * The variables that point package managers at the gateway, and nothing else: no file is touched. Which ones work, and that
 * they win over every file, was found by running the clients (test/e2e/exec.test.ts runs them again): npm_config_registry for
 * npm and pnpm 10, in capitals for Deno; BUN_CONFIG_REGISTRY for Bun; pnpm_config_registry for pnpm 11 and newer; YARN_* for Yarn 2 and newer.
 */
import { isDeepStrictEqual } from 'node:util'
import { AS_UPSTREAM } from '../../http/as-upstream.ts'
import type { NpmConfig } from '../../upstream/npmrc.ts'
import type { ClientFamily } from './client-family.ts'
import type { ExecPlace } from './client-registry.ts'
import { denoReplacement, npmReplacement } from './registry-replacement.ts'
import { relayVariables } from './yarn-relay.ts'
import { readYarnSettings } from './yarnrc-files.ts'

export type Variables = Readonly<Record<string, string>>

/** As npm reads it, in these letters or others. */
const REGISTRY = 'npm_config_registry'

export const REPLACEMENTS = { npm: npmReplacement, deno: denoReplacement }

export interface Target {
  readonly place: ExecPlace
  readonly npm: NpmConfig
  /** The client's own, without us. */
  readonly registries: Readonly<Record<'npm' | 'deno', string>>
  /** Some registries leave the public one's URLs in what they pass on: npm and Deno replace those by themselves. */
  readonly showsPublic: boolean
  readonly routed: readonly ClientFamily[]
  /** The registry that Yarn 3 and newer stays with; undefined: it is pointed at the gateway. */
  readonly yarnRelay: string | undefined
  /** Whose npm_config_registry it is; undefined: nobody's. */
  readonly sharer: ClientFamily | undefined
  readonly gateway: string
}

export function variablesFor(target: Target): Variables {
  const { routed, gateway } = target
  const has = (family: ClientFamily): boolean => routed.includes(family)
  return {
    ...(routed.length > 0 && directTo(gateway, target)),
    ...sharedVariables(target),
    ...(has('pnpm') && { pnpm_config_registry: gateway }),
    ...(has('bun') && { BUN_CONFIG_REGISTRY: gateway }),
    ...(has('yarn-berry') && yarnVariables(target)),
  }
}

/** Those that read npm's variable. */
export function isSharer(family: ClientFamily): boolean {
  return ['npm', 'pnpm', 'yarn-classic', 'deno'].includes(family)
}

/** For which of them npm's variable is set; undefined when what one needs changes the lockfile of another. */
export function sharerOf(
  inner: ReadonlySet<ClientFamily>,
  base: Omit<Target, 'sharer' | 'gateway'>,
): ClientFamily | undefined {
  const sharers = [...inner].filter(isSharer)
  if (sharers.includes('yarn-classic') || sharers.some((one) => !base.routed.includes(one))) {
    return undefined
  }
  const [first, ...others] = sharers
  const needs = (family: ClientFamily): Variables => {
    const target = { ...base, sharer: family, gateway: 'http://127.0.0.1/' }
    return family === 'npm' || family === 'deno'
      ? registryVariables(family, target)
      : registry(target.gateway)
  }
  return others.every((one) => first !== undefined && isDeepStrictEqual(needs(one), needs(first)))
    ? first
    : undefined
}

/**
 * npm's variable is read by pnpm 10 and Yarn 1 too, which need other ones, or none; whose command it is decides. Deno reads
 * it in capitals, and npm in any letters: both get it only where they need the same.
 */
function sharedVariables(target: Target): Variables {
  const { sharer, routed } = target
  const has = (one: ClientFamily): boolean => routed.includes(one)
  if (sharer === undefined || sharer === 'yarn-classic') return {} // yarn-classic-mirror.ts
  const deno = has('deno') ? registryVariables('deno', target) : {}
  if (sharer === 'deno') return inCapitals(deno)
  const npm = has('npm') ? registryVariables('npm', target) : {}
  const own = sharer === 'pnpm' ? (has('pnpm') ? registry(target.gateway) : {}) : npm
  return { ...own, ...(isDeepStrictEqual(own, deno) && inCapitals(deno)) }
}

function registry(url: string): Variables {
  return { [REGISTRY]: url }
}

function inCapitals({ [REGISTRY]: url, ...others }: Variables): Variables {
  return url === undefined ? others : { ...others, [REGISTRY.toUpperCase()]: url }
}

function registryVariables(family: 'npm' | 'deno', target: Target): Variables {
  const { registries, npm, place, gateway, showsPublic } = target
  const replacement = REPLACEMENTS[family](registries[family], npm, place.cwd)
  if (replacement.kind !== 'as-upstream' || showsPublic) return registry(gateway)
  return {
    ...registry(`${gateway.replace(/\/$/, '')}${AS_UPSTREAM}/`),
    npm_config_replace_registry_host: replacement.replaceRegistryHost,
  }
}

/** Yarn builds tarball URLs from it and compares them as text: no trailing slash, as its own default. */
function yarnVariables({ place, gateway, yarnRelay }: Target): Variables {
  if (yarnRelay !== undefined) return relayVariables(place, { gateway, registry: yarnRelay })
  const { hostname } = new URL(gateway)
  const hosts = [...new Set([hostname, ...readYarnSettings(place).unsafeHosts])]
  return {
    YARN_NPM_REGISTRY_SERVER: gateway.replace(/\/$/, ''),
    YARN_UNSAFE_HTTP_WHITELIST: hosts.join(','),
  }
}

/** A proxy is for what is outside of this machine; npm and pnpm would ask it for the gateway too. */
function directTo(gateway: string, { place, npm }: Target): Variables {
  const { hostname } = new URL(gateway)
  // '*' is everything, us included, and for curl only if it stands alone.
  const withUs = (list = ''): string =>
    list.trim() === '*'
      ? '*'
      : [...new Set([...list.split(','), hostname])]
          .map((one) => one.trim())
          .filter(Boolean)
          .join(',')
  const before = place.env.NO_PROXY ?? place.env.no_proxy
  const configured = npm.get('noproxy')
  return {
    NO_PROXY: withUs(before),
    no_proxy: withUs(place.env.no_proxy ?? before),
    ...(configured !== undefined && {
      npm_config_noproxy: withUs(configured),
      pnpm_config_noproxy: withUs(configured),
    }),
  }
}

/**
 * `env` with `variables` instead of whatever says the same in other letters: npm reads its variables in any case, and Windows
 * knows no difference.
 */
export function withVariables(env: ExecPlace['env'], variables: Variables): Record<string, string> {
  const replaced = new Set(Object.keys(variables).map((name) => name.toLowerCase()))
  const kept = Object.entries(env).flatMap(([name, value]) =>
    value === undefined || replaced.has(name.toLowerCase()) ? [] : [[name, value] as const],
  )
  return { ...Object.fromEntries(kept), ...variables }
}
