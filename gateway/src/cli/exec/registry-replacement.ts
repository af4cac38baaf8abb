/**
 * npm fetches tarballs from the URLs in its lockfile. It replaces the public registry's host there by the one it is
 * configured with, and any other host only if told to (`replace-registry-host`). Behind a company's registry it must be told
 * which, or it would go around the gateway (npm 12: refuse to install). Deno does the same. And pnpm compares the few URLs
 * that its lockfile has.
 */
import { join } from 'node:path'
import { DEFAULT_REGISTRY_HOST } from '../../upstream/default-registry.ts'
import type { NpmConfig } from '../../upstream/npmrc.ts'
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
  const locked = npmLockUrls(cwd)
  const isMain = ({ host }: URL): boolean => host === main.host
  const isPublic = ({ host }: URL): boolean => host === DEFAULT_REGISTRY_HOST
  if (locked.some(isPublic)) {
    if (!locked.some(isMain)) return { kind: 'none' }
    const reason = `package-lock.json names both the public registry and ${main.host}`
    return { kind: 'impossible', reason }
  }
  return replaceMain(main, npm, [...locked, ...manifestUrls(cwd)])
}

/**
 * That one host and never 'always', which would ask a registry for what a project has from elsewhere. It goes by the name of
 * the host alone, so nothing else may be on it.
 */
function replaceMain(main: URL, npm: NpmConfig, urls: readonly URL[]): Replacement {
  if (scopedHostnames(npm).has(main.hostname)) {
    const reason = `a scope has a registry of its own on ${main.hostname}`
    return { kind: 'impossible', reason }
  }
  const other = urls.find(
    (url) => url.hostname === main.hostname && !url.href.startsWith(main.href),
  )
  if (other !== undefined) {
    const reason = `the project has something from ${main.hostname} that is not in the registry there`
    return { kind: 'impossible', reason }
  }
  return { kind: 'as-upstream', replaceRegistryHost: main.hostname }
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
  return replaceMain(main, npm, [...denoLockUrls(cwd), ...manifestUrls(cwd)])
}

function configuredReplacement(npm: NpmConfig): Replacement | undefined {
  const configured = npm.get('replace-registry-host')
  if (configured === undefined || configured === 'npmjs' || configured === 'always')
    return undefined
  return { kind: 'impossible', reason: `npm's replace-registry-host is ${configured}` }
}

function scopedHostnames(npm: NpmConfig): Set<string> {
  const urls = [...npm.keys()].map((key) =>
    /^@[^:/]+:registry$/.test(key) ? (npm.get(key) ?? '') : '',
  )
  return new Set(parsed(urls).map((url) => url.hostname))
}

function npmLockUrls(cwd: string): URL[] {
  const root = projectRoot(cwd) ?? cwd
  const text =
    readText(join(root, 'npm-shrinkwrap.json')) ?? readText(join(root, 'package-lock.json')) ?? ''
  return matches(text, /"resolved":\s*"(https?:\/\/[^"]+)"/g)
}

function denoLockUrls(cwd: string): URL[] {
  const text = readText(join(projectRoot(cwd) ?? cwd, 'deno.lock')) ?? ''
  return matches(text, /"tarball":\s*"([^"]+)"/g)
}

/** Dependencies by URL; whatever else is written there as one changes nothing. */
function manifestUrls(cwd: string): URL[] {
  const folders = new Set([projectRoot(cwd) ?? cwd, cwd])
  const texts = [...folders].map((folder) => readText(join(folder, 'package.json')) ?? '')
  return matches(texts.join('\n'), /:\s*"(https?:\/\/[^"]+\.(?:tgz|tar\.gz)[^"]*)"/g)
}

function matches(text: string, pattern: RegExp): URL[] {
  return parsed([...text.matchAll(pattern)].map(([, url = '']) => url))
}

function parsed(urls: readonly string[]): URL[] {
  return urls.filter((url) => URL.canParse(url)).map((url) => new URL(url))
}
