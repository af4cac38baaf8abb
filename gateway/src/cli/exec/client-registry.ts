/**
 * The registry that each package manager would use here without us, and what we need to ask it in its place. Reads the same
 * files and variables as the client does; scopes with a registry of their own are not our business, the client goes there.
 */
import { join, parse as parsePath } from 'node:path'
import { parse } from 'ini'
import { DEFAULT_REGISTRY } from '../../upstream/default-registry.ts'
import {
  expandEnvironment,
  readNpmConfig,
  type NpmConfig,
  type NpmConfigPlace,
} from '../../upstream/npmrc.ts'
import { shownUrl } from '../../http/shown-url.ts'
import { bunfigFormat } from '../clients/bunfig-format.ts'
import { clientFiles, type ClientPlace } from '../clients/client-files.ts'
import { pnpmYamlFormat } from '../clients/yaml-format.ts'
import { yarnV1Format } from '../clients/yarn-v1-format.ts'
import type { ClientFamily } from './client-family.ts'
import { foldersUpwards, pnpmRoots, projectFolder, projectRoot, readText } from './project-files.ts'
import { relayedTo } from './yarn-relay.ts'
import { readYarnSettings } from './yarnrc-files.ts'

export interface ExecPlace extends ClientPlace {
  readonly cwd: string
  readonly execPath: string
  /** The folder whose .npmrc is npm's, if npm is told so; null: none is any client's. */
  readonly project?: string | null
}

export interface ClientRegistry {
  /** As configured; the public default when nothing is. */
  readonly url: string
  /** Credentials from the client's own files, in npm's spelling, on top of npm's configuration. */
  readonly credentials: Readonly<Record<string, string>>
  /** Why the client can't be pointed at a gateway without losing something. */
  readonly obstacle: string | undefined
}

/** npm's configuration as this client, which reads the same files, sees it from `cwd`, the environment included. */
export function npmConfigAt(place: ExecPlace, family: ClientFamily = 'npm'): NpmConfig {
  return readNpmConfig({ ...place, ...npmrcFolders(family, place) })
}

/** Whose .npmrc the client reads, as found by running each of them in a workspace, inside and outside of its members. */
function npmrcFolders(family: ClientFamily, { cwd, project }: ExecPlace): Partial<NpmConfigPlace> {
  if (project === null) return { projectFolders: [] }
  if (family === 'npm' && project !== undefined) return { projectFolders: [project] }
  if (family === 'yarn-classic') {
    return { projectFolders: [cwd], outerFolders: foldersUpwards(cwd).slice(1) }
  }
  if (family !== 'pnpm') return { projectFolders: [projectRoot(cwd) ?? cwd] }
  // As pnpm 10; newer ones read that of the workspace only (pnpmRegistries).
  return { projectFolders: [projectFolder(cwd) ?? cwd, ...pnpmRoots(cwd)] }
}

export function registryOf(family: ClientFamily, place: ExecPlace): ClientRegistry {
  const npm = npmConfigAt(place, family)
  const named = (url: string | undefined, more: Partial<ClientRegistry> = {}): ClientRegistry => ({
    ...{ url: url ?? npm.get('registry') ?? DEFAULT_REGISTRY, credentials: {} },
    ...{ obstacle: undefined, ...more },
  })
  switch (family) {
    case 'npm':
    case 'deno':
      return named(undefined)
    case 'pnpm':
      return pnpmRegistryOf(place, named)
    case 'yarn-classic':
      return named(yarnClassicRegistry(place, npm))
    case 'yarn-berry': {
      const { registry, credentials, hasHttpProxy } = readYarnSettings(place)
      const obstacle = hasHttpProxy ? 'Yarn sends everything through its httpProxy' : undefined
      const own = registry ?? DEFAULT_REGISTRY
      return named(relayedTo(place, own) ?? own, { credentials, obstacle })
    }
    case 'bun': {
      const { url, holdsSecrets } = bunRegistry(place)
      const obstacle = holdsSecrets ? 'its bunfig.toml holds credentials' : undefined
      return named(url, { obstacle })
    }
  }
}

type Named = (url: string | undefined, more: Partial<ClientRegistry>) => ClientRegistry

/** Nothing tells which pnpm will run: where pnpm 10 and newer ones would ask different registries, neither is guessed. */
function pnpmRegistryOf(place: ExecPlace, named: Named): ClientRegistry {
  const { project, ...inProject } = place
  if (project === null) return pnpmGlobalRegistryOf(inProject, named)
  const [root = place.cwd] = pnpmRoots(place.cwd)
  const newer = readNpmConfig({ ...place, projectFolders: [root] })
  const found = [
    pnpmRegistry(place, npmConfigAt(place, 'pnpm'), pnpmRoots(place.cwd).at(-1)),
    pnpmRegistry(place, newer, root),
  ]
  const credentials = pnpmCredentials(place)
  if (found[0] === found[1]) return named(found[0], { credentials })
  const [older, other] = found.map((url) => shownUrl(url ?? DEFAULT_REGISTRY))
  const obstacle = `pnpm 10 would ask ${older} here, pnpm 11 and newer ${other}`
  return named(found[1] ?? DEFAULT_REGISTRY, { credentials, obstacle })
}

/** With -g: pnpm 11 asks what the project says all the same, 10 and 12 don't. */
function pnpmGlobalRegistryOf(place: ExecPlace, named: Named): ClientRegistry {
  const found = pnpmRegistryOf(place, named)
  const outside = { ...place, cwd: parsePath(place.cwd).root, project: null }
  const npm = npmConfigAt(outside, 'pnpm')
  const url = pnpmRegistry(outside, npm) ?? DEFAULT_REGISTRY
  if (found.url === url) return found
  const obstacle = `with -g pnpm 11 would ask ${shownUrl(found.url)} here, 10 and 12 ${shownUrl(url)}`
  return { ...found, url, obstacle }
}

function pnpmRegistry(place: ExecPlace, npm: NpmConfig, root = place.cwd): string | undefined {
  const variable = Object.entries(place.env).find(([name]) => /^pnpm_config_registry$/i.test(name))
  if (variable?.[1] !== undefined && variable[1] !== '') return variable[1]
  const workspace = readText(join(root, 'pnpm-workspace.yaml'))
  const inProject = quietly(() => pnpmYamlFormat.registryOf(workspace ?? ''))
  if (inProject !== undefined) return expandEnvironment(inProject, place.env)
  const configured = npm.get('registry')
  if (configured !== undefined) return configured
  const users = clientFiles('pnpm', place).slice(1)
  return firstOf(
    users.map(({ path, format }) => quietly(() => format.registryOf(readText(path) ?? ''))),
  )
}

/** pnpm keeps tokens in a file of its own, in npm's format. */
function pnpmCredentials(place: ExecPlace): Record<string, string> {
  const file = clientFiles('pnpm', place).find(({ path }) => path.endsWith('auth.ini'))
  const text = file === undefined ? undefined : readText(file.path)
  return Object.fromEntries(
    Object.entries(parse(text ?? '')).flatMap(([key, value]) =>
      key.startsWith('//') && typeof value === 'string'
        ? [[expandEnvironment(key, place.env), expandEnvironment(value, place.env)]]
        : [],
    ),
  )
}

/** npm's variable, Yarn's, npm's files, Yarn's: in this order. */
function yarnClassicRegistry(place: ExecPlace, npm: NpmConfig): string | undefined {
  const { cwd, home, env } = place
  const own = env.YARN_REGISTRY ?? env.yarn_registry
  const hasNpms = Object.keys(env).some((name) => /^npm_config_registry$/i.test(name))
  if (!hasNpms && own !== undefined && own !== '') return own
  const configured = npm.get('registry')
  if (configured !== undefined) return configured
  const folders = [...foldersUpwards(cwd), home]
  return firstOf(
    folders.map((folder) => yarnV1Format.registryOf(readText(join(folder, '.yarnrc')) ?? '')),
  )
}

function bunRegistry(place: ExecPlace): { url: string | undefined; holdsSecrets: boolean } {
  const variable = place.env.BUN_CONFIG_REGISTRY
  if (variable !== undefined && variable !== '') return { url: variable, holdsSecrets: false }
  const project = foldersUpwards(place.cwd).map((folder) => join(folder, 'bunfig.toml'))
  const user = clientFiles('bun', place).map(({ path }) => path)
  for (const path of [...project, ...user]) {
    const text = readText(path) ?? ''
    const url = quietly(() => bunfigFormat.registryOf(text))
    const holdsSecrets = /^[^#\n]*\b(?:token|password|username)\b\s*=/m.test(text)
    if (url !== undefined) return { url: expandEnvironment(url, place.env), holdsSecrets }
  }
  return { url: undefined, holdsSecrets: false }
}

function firstOf(found: readonly (string | undefined)[]): string | undefined {
  return found.find((one) => one !== undefined)
}

/** A file that makes no sense to us makes none to the client either, which will say so. */
function quietly<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined // see above
  }
}
