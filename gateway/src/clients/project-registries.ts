/**
 * The registry of a project's packages when its lockfile does not name it, by the settings of its package manager. A daemon
 * reads its user's files only, so for a name it may ask another registry, which must not learn that name. Settings that are not
 * understood count as another registry. Never writes, sends nothing.
 */
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { errnoOf } from '@catalog-p2p/core'
import { parse } from 'yaml'
import { z } from 'zod'
import { scopeOf } from '../http/route.ts'
import type { LockfileKind } from '../lockfiles/package-collector.ts'
import {
  DEFAULT_REGISTRY,
  DEFAULT_REGISTRY_HOST,
  isYarnAlias,
} from '../upstream/default-registry.ts'
import { readNpmConfig, type NpmConfigContext } from '../upstream/npmrc.ts'
import { withoutUser } from '../upstream/registries.ts'

/** The URL of a package's registry; undefined: the settings could not be read. */
export type RegistryOf = (name: string) => string | undefined

/** `folder`: the lockfile's. */
export function projectRegistries(
  kind: LockfileKind,
  folder: string,
  context: Omit<NpmConfigContext, 'projectFolders'>,
): RegistryOf {
  // An empty place in bun.lock is the public registry, whatever Bun's settings say.
  if (kind === 'bun') return () => DEFAULT_REGISTRY
  try {
    if (kind === 'yarn-berry') return yarnRegistries(folder, context)
    const config = readNpmConfig({ ...context, projectFolders: [folder] })
    const own = kind === 'pnpm' ? pnpmRegistries(folder) : {}
    return (name) => {
      const scope = scopeOf(name)
      const ofScope = scope && (own[scope] ?? config.get(`${scope}:registry`))
      return ofScope ?? own.default ?? config.get('registry') ?? DEFAULT_REGISTRY
    }
  } catch {
    return () => undefined // half-written, or of a form that is not known
  }
}

/**
 * Whether a daemon asks for a package at the project's registry. A package of the public registry may be asked for at any; for
 * any other, the project's registry must be the daemon itself (`hosts`) or the one it has behind it for that scope.
 */
export function isAskedThere(
  name: string,
  wanted: string | undefined,
  daemon: {
    readonly hosts: readonly string[]
    readonly registries: readonly { readonly scope: string | null; readonly url: string }[]
  },
): boolean {
  if (wanted === undefined || !URL.canParse(wanted)) return false
  const url = new URL(wanted)
  if (url.host === DEFAULT_REGISTRY_HOST || isYarnAlias(url)) return true
  if (daemon.hosts.includes(url.host)) return true
  const scope = scopeOf(name)?.toLowerCase()
  const of = (one: string | null) => daemon.registries.find((each) => each.scope === one)?.url
  const behind = (scope === undefined ? undefined : of(scope)) ?? of(null)
  return behind !== undefined && withoutUser(behind) === withoutUser(wanted)
}

const pnpmSchema = z
  .object({
    registry: z.string().optional(),
    registries: z.record(z.string(), z.string()).optional(),
  })
  .nullable()

/** https://pnpm.io/settings#registries */
function pnpmRegistries(folder: string): Readonly<Record<string, string>> {
  const text = textOf(join(folder, 'pnpm-workspace.yaml'))
  const said = text === undefined ? null : pnpmSchema.parse(parse(text))
  return { ...(said?.registry && { default: said.registry }), ...said?.registries }
}

const yarnSchema = z
  .object({
    npmRegistryServer: z.string().optional(),
    npmScopes: z
      .record(z.string(), z.object({ npmRegistryServer: z.string().optional() }).nullable())
      .optional(),
  })
  .nullable()

/** From the project's folder upwards, then the user's: https://yarnpkg.com/configuration/yarnrc */
function yarnRegistries(folder: string, { env, home }: Pick<NpmConfigContext, 'env' | 'home'>) {
  const name = env.YARN_RC_FILENAME ?? '.yarnrc.yml'
  const texts = [...upwards(folder), home].map((each) => textOf(join(each, name)))
  const files = texts.flatMap((text) => (text === undefined ? [] : [yarnSchema.parse(parse(text))]))
  const general = [env.YARN_NPM_REGISTRY_SERVER, ...files.map((file) => file?.npmRegistryServer)]
  return (packageName: string): string => {
    const scope = scopeOf(packageName)?.slice(1) ?? ''
    const scoped = files.map((file) => file?.npmScopes?.[scope]?.npmRegistryServer)
    return [...scoped, ...general].find((url) => url !== undefined) ?? DEFAULT_REGISTRY
  }
}

function upwards(folder: string): string[] {
  const parent = dirname(folder)
  return parent === folder ? [folder] : [folder, ...upwards(parent)]
}

/** undefined: there is none. */
function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  }
}
