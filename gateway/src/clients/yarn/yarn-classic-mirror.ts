/**
 * Yarn 1 fetches locked packages from the URLs in yarn.lock, whatever registry it is configured with. But it first looks into
 * its "offline mirror", a folder of tarballs, and checks them against yarn.lock. So packages that Yarn's cache lacks are put
 * into a temporary mirror, through the gateway, before Yarn starts; those that fail, Yarn fetches by itself.
 * https://classic.yarnpkg.com/blog/2016/11/24/offline-mirror/
 */
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { createWriteStream, existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import PQueue from 'p-queue'
import { findDigest } from '@catalog-p2p/core'
import { DEFAULT_REGISTRY, isYarnAlias } from '../../upstream/default-registry.ts'
import { parseLockfile } from '../../lockfiles/lockfile.ts'
import type { LockfilePackage } from '../../lockfiles/package-collector.ts'
import type { NpmConfig } from '../../upstream/npmrc.ts'
import { foldersUpwards, readText } from '../project-files.ts'
import { projectRoot } from '../project-root.ts'
import type { ConfigContext } from '../npm/gateway-npm-config.ts'
import type { TemporaryFiles } from '../npm/npm-global-file.ts'
import { SkippedClient } from '../skipped-client.ts'

export interface MirrorRequest {
  readonly command: readonly string[]
  readonly context: ConfigContext
  readonly npm: NpmConfig
  /** The registry behind the gateway. */
  readonly registry: string
  readonly gateway: string
  readonly signal: AbortSignal
}

const VARIABLE = 'YARN_YARN_OFFLINE_MIRROR'
const CONCURRENCY = 24
/** After this Yarn starts with the packages that are there. */
const TIMEOUT_MS = 300_000
const SILENCE_MS = 60_000

/** The registry of most packages in yarn.lock: Yarn asks there, whatever it is configured with. @throws SkippedClient */
export function lockedRegistry({ cwd, home, env }: ConfigContext): string {
  const text = readText(join(projectRoot(cwd), 'yarn.lock'))
  if (text === undefined) {
    throw new SkippedClient(
      'there is no yarn.lock, and a new one would name the gateway',
      'commit the yarn.lock that it writes now: what is locked comes through the gateway',
    )
  }
  const isSet = Object.keys(env).some((name) => /(^|_)yarn_offline_mirror$/i.test(name))
  const files = [...foldersUpwards(cwd), home].flatMap((folder) => [
    join(folder, '.yarnrc'),
    join(folder, '.npmrc'),
  ])
  const isInFile = files.some((path) => /^"?yarn-offline-mirror"?\b/m.test(readText(path) ?? ''))
  if (isSet || isInFile) throw new SkippedClient('it has an offline mirror already')
  const counts = new Map<string, number>()
  for (const found of parseLockfile('yarn.lock', text).packages) {
    const base = baseOf(found)
    if (base !== undefined) counts.set(base, (counts.get(base) ?? 0) + 1)
  }
  const [first] = [...counts].toSorted(([, a], [, b]) => b - a)
  if (first === undefined) throw new SkippedClient('its yarn.lock names no registry')
  return first[0]
}

/** Of the registry that has a package at its usual place. */
function baseOf({ name, version, url }: LockfilePackage): string | undefined {
  if (url === undefined || !URL.canParse(url)) return undefined
  const { origin, pathname } = new URL(url)
  const path = `${name}/-/${name.split('/').at(-1)}-${version}.tgz`
  const decoded = pathname.replace(/%2f/gi, '/')
  if (!decoded.endsWith(`/${path}`)) return undefined
  return isYarnAlias(new URL(url)) ? DEFAULT_REGISTRY : `${origin}${decoded.slice(0, -path.length)}`
}

/** undefined when Yarn has nothing to fetch, as far as can be told. */
export async function fillYarnMirror(request: MirrorRequest): Promise<TemporaryFiles | undefined> {
  const wanted = await missingPackages(request)
  if (wanted.length === 0) return undefined
  const folder = await mkdtemp(join(tmpdir(), 'catalog-yarn-'))
  const signal = AbortSignal.any([request.signal, AbortSignal.timeout(TIMEOUT_MS)])
  const queue = new PQueue({ concurrency: CONCURRENCY })
  await queue.addAll(
    wanted.map((found) => async () => {
      if (!signal.aborted) await fetchInto(folder, found, { gateway: request.gateway, signal })
    }),
  )
  return {
    variables: { [VARIABLE]: folder },
    remove: () => rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }),
  }
}

async function missingPackages(request: MirrorRequest): Promise<LockfilePackage[]> {
  const { context, npm, registry, command } = request
  const root = projectRoot(context.cwd)
  // Installed already: there is little or nothing to fetch.
  if (!isInstall(command) || existsSync(join(root, 'node_modules', '.yarn-integrity'))) return []
  const scopes = [...npm.keys()].flatMap((key) => /^(@[^:/]+):registry$/.exec(key)?.[1] ?? [])
  // Packages of other platforms as well: Yarn 1 fetches before it checks.
  const { packages } = parseLockfile('yarn.lock', readText(join(root, 'yarn.lock')) ?? '')
  const cached = await cachedPackages(context)
  return packages.filter(
    (found) =>
      baseOf(found) === registry &&
      findDigest(found.integrity ?? '') !== undefined &&
      !scopes.some((scope) => found.name.startsWith(`${scope}/`)) &&
      !cached.some((folder) => folder.startsWith(`npm-${slug(found.name)}-${found.version}-`)),
  )
}

/** Whether the command fetches packages: `yarn`, `yarn install`, `yarn add x`; not `yarn build`. */
function isInstall(command: readonly string[]): boolean {
  const words = command.filter((word) => !word.startsWith('-'))
  const at = words.findIndex((word) => /(?:^|[/\\])(?:yarn|yarnpkg)\b[^/\\]*$/.test(word))
  const first = words[at + 1]
  return first === undefined || ['install', 'add', 'remove', 'upgrade', 'import'].includes(first)
}

/** Folders of Yarn's own cache, which it looks into before any mirror. */
async function cachedPackages({ env, home, platform }: ConfigContext): Promise<readonly string[]> {
  const usual: Partial<Record<NodeJS.Platform, string>> = {
    darwin: join(home, 'Library', 'Caches', 'Yarn'),
    win32: join(env.LOCALAPPDATA ?? join(home, 'AppData', 'Local'), 'Yarn', 'Cache'),
  }
  const xdg = env.XDG_CACHE_HOME
  const linux = join(xdg === undefined || xdg === '' ? join(home, '.cache') : xdg, 'yarn')
  const folder = env.YARN_CACHE_FOLDER ?? usual[platform] ?? linux
  return readdir(join(folder, 'v6')).catch(() => [])
}

/** The file that Yarn looks for: `@scope/name` becomes `@scope-name`. */
function slug(name: string): string {
  return name.replace('/', '-')
}

async function fetchInto(
  folder: string,
  { name, version, integrity }: LockfilePackage,
  { gateway, signal }: { gateway: string; signal: AbortSignal },
): Promise<void> {
  const file = join(folder, `${slug(name)}-${version}.tgz`)
  const url = `${gateway}${name}/-/${name.split('/').at(-1)}-${version}.tgz`
  try {
    // Large, and every start of exec comes by this file.
    const { request } = await import('undici')
    const response = await request(url, {
      ...{ signal, headersTimeout: SILENCE_MS, bodyTimeout: SILENCE_MS },
      headers: { 'pacote-integrity': integrity ?? '' },
    })
    if (response.statusCode === 200) await pipeline(response.body, createWriteStream(file))
    else await response.body.dump()
  } catch {
    await rm(file, { force: true }) // Yarn gets it by itself, and says why if it can't either
  }
}
