/**
 * Which registry a daemon has behind it that was told none: npm's, as it was before `catalog use` pointed npm here; where npm
 * names none, the one that another client was taken from. Must never come to the public registry in place of a company's.
 */
import { readNpmConfig, expandEnvironment, type NpmConfigPlace } from '../../upstream/npmrc.ts'
import { clientFiles, type ClientPlace } from './client-files.ts'
import { isGateway, isPublicRegistry } from './same-registry.ts'
import { readUseState, type UseState } from './use-state.ts'
import type { UseDependencies } from './use.ts'

/** undefined when nothing was changed, or what was there makes no sense as a URL. */
export async function upstreamBeforeUse(deps: UseDependencies): Promise<string | undefined> {
  return previousUpstream(await readUseState(deps.statePath), deps.place)
}

/** What a daemon would take that is told none and started now; undefined: no client names any. */
export function upstreamOfNextDaemon(
  state: UseState,
  place: ClientPlace,
  gateway: string,
): string | undefined {
  const configured = httpUrl(readNpmConfig(userPlace(place)).get('registry'), place)
  if (configured !== undefined && !isGateway(configured, gateway)) return configured
  return previousUpstream(state, place)
}

/** The registry of npm's that its user's file would hide, by naming one. */
export function registryUnderUsers(place: ClientPlace): string | undefined {
  return registryIn({ ...userPlace(withoutVariable(place)), skipsUserRegistry: true })
}

/** The registry of npm's files, for clients that read them, too. */
export function registryOfNpmFiles(place: ClientPlace): string | undefined {
  return registryIn(userPlace(withoutVariable(place)))
}

/** With variables as npm takes them, and as Yarn does: `${NAME-else}`, `${NAME:-else}`. */
export function expandSetting(text: string, { env }: Pick<ClientPlace, 'env'>): string {
  const yarns = text.replace(
    /\$\{(\w+)(:?)-([^}]*)\}/g,
    (_, name: string, colon: string, other: string) => {
      const found = env[name]
      return found === undefined || (found === '' && colon !== '') ? other : found
    },
  )
  return expandEnvironment(yarns, env)
}

function previousUpstream(state: UseState, place: ClientPlace): string | undefined {
  const [npmrc] = clientFiles('npm', place)
  const used = npmrc === undefined ? undefined : state.get(npmrc.path)
  if (used !== undefined) {
    const own = httpUrl(used.previous, place) ?? registryUnderUsers(place)
    if (own !== undefined) return own
  }
  return [...state.values()]
    .map(({ previous }) => httpUrl(previous, place))
    .find((url) => url !== undefined && !isPublicRegistry(url))
}

/** As seen from no project. */
function userPlace(place: ClientPlace): NpmConfigPlace {
  const { home } = place
  return { ...place, cwd: home, execPath: process.execPath, projectFolders: [] }
}

function withoutVariable({ env, ...place }: ClientPlace): ClientPlace {
  const kept = Object.entries(env).filter(([name]) => !/^npm_config_registry$/i.test(name))
  return { ...place, env: Object.fromEntries(kept) }
}

function registryIn(place: NpmConfigPlace): string | undefined {
  return httpUrl(readNpmConfig(place).get('registry'), place)
}

function httpUrl(
  text: string | null | undefined,
  { env }: Pick<ClientPlace, 'env'>,
): string | undefined {
  if (text === undefined || text === null) return undefined
  const url = expandSetting(text, { env })
  return /^https?:/.test(url) && URL.canParse(url) ? url : undefined
}
