/**
 * npm fetches tarballs from the URLs in its lockfile. It replaces the public registry's host there by the one it is
 * configured with, and any other host only if told to (`replace-registry-host`). Behind a company's registry it must be told
 * which, or it would go around the gateway (npm 12: refuse to install). Deno does the same. And pnpm compares the few URLs
 * that its lockfile has.
 */
import { join } from 'node:path'
import { DEFAULT_REGISTRY_HOST } from '../../default-registry.ts'
import type { NpmConfig } from '../../npmrc.ts'
import { pnpmRoots, projectRoot, readText } from './project-files.ts'

/** Why a client is left to go where it goes. */
export interface Obstacle {
  readonly reason: string
  /** What its user can do about it, if anything. */
  readonly next?: string
}

export type Replacement =
  /** npm does the right thing by itself. */
  | { readonly kind: 'none' }
  /** npm must be told, and sees the registry as upstream shows it. */
  | { readonly kind: 'as-upstream'; readonly replaceRegistryHost: string }
  | ({ readonly kind: 'impossible' } & Obstacle)

export function npmReplacement(upstream: string, npm: NpmConfig, cwd: string): Replacement {
  const main = new URL(upstream)
  if (main.host === DEFAULT_REGISTRY_HOST) return { kind: 'none' }
  const other = configuredReplacement(npm)
  if (other !== undefined) return other
  const scoped = scopedHosts(npm)
  const locked = npmLockHosts(cwd)
  const isMain = (host: string): boolean => host === main.host
  const isPublic = (host: string): boolean => host === DEFAULT_REGISTRY_HOST
  const foreign = [...locked, ...scoped].filter((host) => !isMain(host) && !isPublic(host))
  const asUpstream = (host: string): Replacement => ({
    kind: 'as-upstream',
    replaceRegistryHost: host,
  })
  if (foreign.length === 0 && scoped.size === 0) return asUpstream('always')
  // 'always' would send what is elsewhere to us, so from here on it can be one host only.
  if (![...locked].some(isMain) && [...locked].some(isPublic)) return { kind: 'none' }
  if ([...locked].some(isPublic)) {
    const reason = `package-lock.json names both the public registry and ${main.host}`
    return { kind: 'impossible', reason }
  }
  if ([...scoped].some((host) => hostname(host) === main.hostname)) return scopeOn(main.hostname)
  return asUpstream(main.hostname)
}

/** pnpm 11 and newer refuse a locked URL that is not the one the registry now names. */
export function pnpmObstacle(registry: string, cwd: string): Obstacle | undefined {
  const texts = pnpmRoots(cwd).map((root) => readText(join(root, 'pnpm-lock.yaml')) ?? '')
  const text = texts.join('\n')
  const { host } = new URL(registry)
  const isNamed = [...text.matchAll(/\btarball: ['"]?(https?:\/\/[^\s,'"}]+)/g)].some(
    ([, url = '']) => URL.canParse(url) && new URL(url).host === host,
  )
  return isNamed ? { reason: `pnpm-lock.yaml names tarballs on ${host}` } : undefined
}

/** Behind another registry than the public one Bun locks its URLs, and fetches them from there; through us it would not. */
export function bunObstacle(registry: string, cwd: string): Obstacle | undefined {
  const { host } = new URL(registry)
  if (host === DEFAULT_REGISTRY_HOST) return undefined
  const lockfile = readText(join(projectRoot(cwd) ?? cwd, 'bun.lock'))
  const next =
    'make bun.lock anew after "catalog use bun": it then names no host, and exec can help'
  if (lockfile === undefined) {
    return { reason: `through it a new bun.lock would not name the tarballs on ${host}`, next }
  }
  return lockfile.includes(`://${host}/`)
    ? { reason: `bun.lock names tarballs on ${host}`, next }
    : undefined
}

/**
 * Deno locks the URLs that it is shown, unless they are the public registry's, and fetches them from there; but it replaces
 * their host as npm does, if it is told to. So behind another registry it sees that one as it is, too.
 */
export function denoReplacement(upstream: string, npm: NpmConfig, cwd: string): Replacement {
  const main = new URL(upstream)
  if (main.host === DEFAULT_REGISTRY_HOST) return { kind: 'none' }
  const other = configuredReplacement(npm)
  if (other !== undefined) return other
  const scoped = scopedHosts(npm)
  if ([...scoped].some((host) => hostname(host) === main.hostname)) return scopeOn(main.hostname)
  const foreign = [...denoLockHosts(cwd)].filter((host) => host !== main.host)
  const isAlone = foreign.length === 0 && scoped.size === 0
  return { kind: 'as-upstream', replaceRegistryHost: isAlone ? 'always' : main.hostname }
}

function configuredReplacement(npm: NpmConfig): Replacement | undefined {
  const configured = npm.get('replace-registry-host')
  if (configured === undefined || configured === 'npmjs' || configured === 'always')
    return undefined
  return { kind: 'impossible', reason: `npm's replace-registry-host is ${configured}` }
}

function scopeOn(name: string): Replacement {
  return { kind: 'impossible', reason: `a scope has a registry of its own on ${name}` }
}

function scopedHosts(npm: NpmConfig): Set<string> {
  const hosts = new Set<string>()
  for (const key of npm.keys()) {
    const url = /^@[^:/]+:registry$/.test(key) ? npm.get(key) : undefined
    if (url !== undefined && URL.canParse(url)) hosts.add(new URL(url).host)
  }
  return hosts
}

function npmLockHosts(cwd: string): Set<string> {
  const root = projectRoot(cwd) ?? cwd
  const text =
    readText(join(root, 'npm-shrinkwrap.json')) ?? readText(join(root, 'package-lock.json')) ?? ''
  const hosts = new Set<string>()
  for (const [, url = ''] of text.matchAll(/"resolved":\s*"((?:git\+)?[a-z]+:\/\/[^"]+)"/g)) {
    // A git repository is not a URL that npm replaces, but a sign that 'always' might hit more than is meant.
    if (URL.canParse(url)) hosts.add(new URL(url).host)
  }
  return hosts
}

function denoLockHosts(cwd: string): Set<string> {
  const text = readText(join(projectRoot(cwd) ?? cwd, 'deno.lock')) ?? ''
  const urls = [...text.matchAll(/"tarball":\s*"([^"]+)"/g)].map(([, url = '']) => url)
  return new Set(urls.filter((url) => URL.canParse(url)).map((url) => new URL(url).host))
}

function hostname(host: string): string {
  return host.replace(/:\d+$/, '')
}
