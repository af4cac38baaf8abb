/**
 * npm at a gateway. Behind the public registry one variable is enough: npm replaces that registry's host in lockfiles by
 * itself. Behind another one npm must be told that host, and see tarball URLs as upstream shows them (`UPSTREAM_VIEW`), or it
 * would lock the gateway's. Reads the project's files, never writes them.
 */
import { join } from 'node:path'
import { redactUrl } from '../../http/redact-url.ts'
import { UPSTREAM_VIEW } from '../../http/request-target.ts'
import { DEFAULT_REGISTRY_HOST } from '../../upstream/default-registry.ts'
import { withoutUser } from '../../upstream/registries.ts'
import type { ClientCommand } from '../client-command.ts'
import { parsedUrls, urlsIn } from '../locked-urls.ts'
import { readText } from '../project-files.ts'
import { projectRoot } from '../project-root.ts'
import { plainPlan, type PlanRequest, type RedirectPlan } from '../redirect.ts'
import { isPublicRegistry } from '../same-registry.ts'
import { SkippedClient } from '../skipped-client.ts'
import type { Variables } from '../variables.ts'

const LOCKFILES = ['npm-shrinkwrap.json', 'package-lock.json'] as const

/** npm's own configuration names no registry: its global file, which every other one wins over, is enough. */
export function isWeak({ npm, registry }: PlanRequest): boolean {
  return isPublicRegistry(registry) && npm.get('registry') === undefined
}

/**
 * For commands in which npm may run in any folder: by npm's global file, over which the files of every folder win. Beside npm
 * only pnpm 10 reads it.
 */
export function planWeakly(request: PlanRequest, registry: string): RedirectPlan {
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

export function planNpm(
  request: PlanRequest,
  { cwd }: ClientCommand,
  registry: string,
): RedirectPlan {
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
    const problem = tarballProblem(tarball, withoutUser(registry))
    if (problem !== undefined) throw new SkippedClient(problem)
    return {
      npm_config_registry: `${gateway.replace(/\/$/, '')}${UPSTREAM_VIEW}/`,
      npm_config_replace_registry_host: replacement.host,
    }
  }
  return { registry, isWeak: false, needsTarballUrl: true, variables }
}

type HostReplacement =
  /** npm does the right thing by itself: it replaces the public registry's host. */
  | { readonly kind: 'none' }
  /** npm must be told this host name, and see the registry as upstream shows it, or it would lock, or refuse, ours. */
  | { readonly kind: 'as-upstream'; readonly host: string }
  | { readonly kind: 'impossible'; readonly reason: string }

/** What npm needs to be told for `registry`, which is not the public one. `scoped`: the registries of scopes. */
function npmHostReplacement(
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
  // npm compares host names only, so nothing else may be on that host.
  if (parsedUrls(scoped).some(({ hostname }) => hostname === main.hostname)) {
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
function tarballProblem(tarball: string, registry: string): string | undefined {
  const main = new URL(registry)
  if (!URL.canParse(tarball)) return undefined
  const url = new URL(tarball)
  if (url.hostname !== main.hostname) return undefined // npm fetches it from there
  const isUsual = !isBeside(url, main) && url.search === '' && !url.pathname.includes('//')
  if (isUsual) return undefined
  return `its registry keeps tarballs at unusual places (${url.origin}${url.pathname})`
}

function isBeside(url: URL, main: URL): boolean {
  return url.hostname === main.hostname && !url.href.startsWith(main.href)
}

function besideReason({ hostname }: URL): string {
  return `the project has something from ${hostname} that is not in the registry there`
}

function npmLockUrls(cwd: string): URL[] {
  const [first = '', second = ''] = LOCKFILES.map((name) => join(projectRoot(cwd), name))
  return urlsIn(readText(first) ?? readText(second) ?? '', /"resolved":\s*"(https?:\/\/[^"]+)"/g)
}

/** Dependencies by URL; whatever else is written there as one changes nothing. */
function manifestUrls(cwd: string): URL[] {
  const folders = new Set([projectRoot(cwd), cwd])
  const texts = [...folders].map((folder) => readText(join(folder, 'package.json')) ?? '')
  return urlsIn(texts.join('\n'), /:\s*"(https?:\/\/[^"]+\.(?:tgz|tar\.gz)[^"]*)"/g)
}
