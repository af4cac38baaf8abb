/**
 * The registry behind a daemon that was given none: npm's, as it was before `catalog use` pointed npm here; where npm names
 * none, the one that another client had. Must never put the public registry in the place of a company's.
 */
import { expandEnvironment } from '../../upstream/npmrc.ts'
import { clientFiles } from '../../clients/client-files.ts'
import type { ClientContext } from '../../clients/client.ts'
import { userNpmConfig } from '../../clients/npm/npm-files.ts'
import { isGateway, isPublicRegistry } from '../../clients/same-registry.ts'
import { readUseState, type UseState } from './use-state.ts'
import type { UseDependencies } from './use.ts'

/** undefined when nothing was changed, or what was there makes no sense as a URL. */
export async function upstreamBeforeUse(deps: UseDependencies): Promise<string | undefined> {
  return previousUpstream(await readUseState(deps.statePath), deps.context)
}

/** The registry of a daemon that is given none and started now; undefined: no client names any. */
export function upstreamOfNextDaemon(
  state: UseState,
  context: ClientContext,
  gateway: string,
): string | undefined {
  const configured = httpUrl(userNpmConfig(context).get('registry'), context)
  if (configured !== undefined && !isGateway(configured, gateway)) return configured
  return previousUpstream(state, context)
}

/** The registry of npm's other files, which a registry in its user's file hides. */
export function registryUnderUsers(context: ClientContext): string | undefined {
  const config = userNpmConfig(withoutVariable(context), { skipsUserRegistry: true })
  return httpUrl(config.get('registry'), context)
}

/** The registry of npm's files, for other clients that read them. */
export function registryOfNpmFiles(context: ClientContext): string | undefined {
  return httpUrl(userNpmConfig(withoutVariable(context)).get('registry'), context)
}

/** With variables as npm writes them, and as Yarn does: `${NAME-else}`, `${NAME:-else}`. */
export function expandSetting(text: string, { env }: Pick<ClientContext, 'env'>): string {
  const yarns = text.replace(
    /\$\{(\w+)(:?)-([^}]*)\}/g,
    (_, name: string, colon: string, other: string) => {
      const found = env[name]
      return found === undefined || (found === '' && colon !== '') ? other : found
    },
  )
  return expandEnvironment(yarns, env)
}

function previousUpstream(state: UseState, context: ClientContext): string | undefined {
  const [npmrc] = clientFiles('npm', context)
  const used = npmrc === undefined ? undefined : state.get(npmrc.path)
  if (used !== undefined) {
    const own = httpUrl(used.previous, context) ?? registryUnderUsers(context)
    if (own !== undefined) return own
  }
  return [...state.values()]
    .map(({ previous }) => httpUrl(previous, context))
    .find((url) => url !== undefined && !isPublicRegistry(url))
}

function withoutVariable({ env, ...context }: ClientContext): ClientContext {
  const kept = Object.entries(env).filter(([name]) => !/^npm_config_registry$/i.test(name))
  return { ...context, env: Object.fromEntries(kept) }
}

function httpUrl(
  text: string | null | undefined,
  { env }: Pick<ClientContext, 'env'>,
): string | undefined {
  if (text === undefined || text === null) return undefined
  const url = expandSetting(text, { env })
  return /^https?:/.test(url) && URL.canParse(url) ? url : undefined
}
