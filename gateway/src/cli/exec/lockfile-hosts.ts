/**
 * What a project's files say of where its packages are, as far as a redirected client would make something else of it: npm
 * replaces the host of locked tarballs by its registry's, pnpm compares and keeps the few URLs that it locks. Reads, never writes.
 */
import { join } from 'node:path'
import { parseLockfile } from '../../lockfiles/lockfile.ts'
import { DEFAULT_REGISTRY_HOST, isYarnAlias } from '../../upstream/default-registry.ts'
import { projectRoot, readManifest, readText, workspacePatterns } from './project-files.ts'
import type { ClientFamily } from './client-command.ts'

export type HostReplacement =
  /** npm does the right thing by itself: it replaces the public registry's host. */
  | { readonly kind: 'none' }
  /** npm must be told this host name, and see the registry as upstream shows it, or it would lock, or refuse, ours. */
  | { readonly kind: 'as-upstream'; readonly host: string }
  | { readonly kind: 'impossible'; readonly reason: string }

/** What npm needs to be told for `registry`, which is not the public one. `scoped`: the registries of scopes. */
export function npmHostReplacement(
  registry: string,
  { cwd, scoped }: { readonly cwd: string; readonly scoped: readonly string[] },
): HostReplacement {
  const main = new URL(registry)
  const locked = npmLockUrls(cwd)
  if (locked.some(({ host }) => host === DEFAULT_REGISTRY_HOST)) {
    if (!locked.some(({ host }) => host === main.host)) return { kind: 'none' }
    const reason = `package-lock.json names both the public registry and ${main.host}`
    return { kind: 'impossible', reason }
  }
  // It goes by the name of the host alone, so nothing else may be on it.
  if (parsed(scoped).some(({ hostname }) => hostname === main.hostname)) {
    return { kind: 'impossible', reason: `a scope has a registry of its own on ${main.hostname}` }
  }
  const other = [...locked, ...manifestUrls(cwd)].find((url) => isBeside(url, main))
  if (other !== undefined) return { kind: 'impossible', reason: besideReason(main) }
  return { kind: 'as-upstream', host: main.hostname }
}

/**
 * Why npm can't be told a host for a registry that shows this as the URL of a package's tarball: what npm asks for then has
 * that URL's path, and neither its port nor its query.
 */
export function tarballObstacle(tarball: string, registry: string): string | undefined {
  const main = new URL(registry)
  if (!URL.canParse(tarball)) return undefined
  const url = new URL(tarball)
  if (url.hostname !== main.hostname) return undefined // npm fetches it from there
  const isUsual = !isBeside(url, main) && url.search === '' && !url.pathname.includes('//')
  if (isUsual) return undefined
  return `its registry keeps tarballs at unusual places (${url.origin}${url.pathname})`
}

/** pnpm 11 and newer refuse a locked URL that is not the one the registry now names. */
export function pnpmLocksTarballsOf(registry: string, cwd: string): boolean {
  const text = readText(join(projectRoot(cwd), 'pnpm-lock.yaml')) ?? ''
  const urls = matches(text, /\btarball: ['"]?(https?:\/\/[^\s,'"}]+)/g)
  return urls.some(({ host }) => host === new URL(registry).host)
}

const LOCKFILES: Readonly<Record<ClientFamily, readonly string[]>> = {
  npm: ['npm-shrinkwrap.json', 'package-lock.json'],
  pnpm: ['pnpm-lock.yaml'],
  'yarn-classic': ['yarn.lock'],
  'yarn-berry': ['yarn.lock'],
  bun: ['bun.lock'],
  deno: ['deno.lock'],
}
const MAX_NAMES = 3

/**
 * Names that `registry` is asked for anyway: of packages that are locked, or else that the project depends on, and never one of
 * a scope, which may have a registry of its own, or of a workspace.
 */
export function namesInRegistry(registry: string, family: ClientFamily, cwd: string): string[] {
  const root = projectRoot(cwd)
  const locked = lockedNames(registry, { family, root })
  if (locked !== undefined) return locked.slice(0, MAX_NAMES)
  if (workspacePatterns(root).length > 0) return []
  const { dependencies, devDependencies } = readManifest(root)
  const ranges = [dependencies, devDependencies].flatMap((list) =>
    Object.entries(Object(list) as Record<string, unknown>),
  )
  return ranges
    .filter(([name, range]) => !name.startsWith('@') && /^[\w.^~<>=| *-]*$/.test(String(range)))
    .map(([name]) => name)
    .slice(0, MAX_NAMES)
}

function lockedNames(
  registry: string,
  { family, root }: { readonly family: ClientFamily; readonly root: string },
): string[] | undefined {
  const { host } = new URL(registry)
  const isAtRegistry = (text: string): boolean => {
    const url = URL.canParse(text) ? new URL(text) : undefined
    return url !== undefined && (url.host === host || isYarnAlias(url))
  }
  for (const file of LOCKFILES[family]) {
    const text = readText(join(root, file))
    if (text === undefined) continue
    try {
      const { packages } = parseLockfile(file, text)
      return packages.flatMap(({ name, url }) =>
        name.startsWith('@') || (url !== undefined && !isAtRegistry(url)) ? [] : [name],
      )
    } catch {
      return undefined // the client will say what is wrong with it
    }
  }
  return undefined
}

function isBeside(url: URL, main: URL): boolean {
  return url.hostname === main.hostname && !url.href.startsWith(main.href)
}

function besideReason({ hostname }: URL): string {
  return `the project has something from ${hostname} that is not in the registry there`
}

function npmLockUrls(cwd: string): URL[] {
  const [first = '', second = ''] = LOCKFILES.npm.map((name) => join(projectRoot(cwd), name))
  return matches(readText(first) ?? readText(second) ?? '', /"resolved":\s*"(https?:\/\/[^"]+)"/g)
}

/** Dependencies by URL; whatever else is written there as one changes nothing. */
function manifestUrls(cwd: string): URL[] {
  const folders = new Set([projectRoot(cwd), cwd])
  const texts = [...folders].map((folder) => readText(join(folder, 'package.json')) ?? '')
  return matches(texts.join('\n'), /:\s*"(https?:\/\/[^"]+\.(?:tgz|tar\.gz)[^"]*)"/g)
}

function matches(text: string, pattern: RegExp): URL[] {
  return parsed([...text.matchAll(pattern)].map(([, url = '']) => url))
}

function parsed(urls: readonly string[]): URL[] {
  return urls.filter((url) => URL.canParse(url)).map((url) => new URL(url))
}
