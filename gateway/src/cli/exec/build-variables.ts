/**
 * How build tools of a command find the results that its gateway has: by their own variables, each tool's only where the user has
 * said nothing to that tool, since a token of theirs must not come to us, nor ours to somebody else. The token is the one that writes
 * build results and opens nothing else.
 */
import type { BuildMode } from '../../build-results/build-results.ts'
import type { Variables } from '../../clients/variables.ts'
import { BUILD_TEAM } from '../../http/build-route.ts'
import type { Environment } from '../../upstream/npmrc.ts'
import type { ExecGateway } from './exec-gateway.ts'

export interface CommandBuilds {
  /** Of the gateway, with a slash at its end. */
  readonly url: string
  readonly mode: BuildMode
  /** undefined: the gateway is not known to be this user's own. */
  readonly token: string | undefined
}

/**
 * For a command of that gateway. One that only installs gets no token: scripts of packages, whoever made them, run in it, and no
 * build is asked for.
 */
export async function buildsFor(
  gateway: Pick<ExecGateway, 'url' | 'buildToken'>,
  { mode, isInstall }: { readonly mode: BuildMode; readonly isInstall: boolean },
  env: Environment,
): Promise<Variables> {
  const token = mode === 'write' && !isInstall ? await gateway.buildToken() : undefined
  return buildVariables({ url: gateway.url, mode, token }, env)
}

/** Of whom `TURBO_TEAM` says nothing that is a team's name here. */
const ANY_TEAM = 'default'
/** Who only reads shows this: tools ask for nothing without a token. */
const NO_TOKEN = 'reads-only'

/** Any of them says where the tool's results are, or opens such a place. */
const TURBOS_OWN = [
  ...['TURBO_API', 'TURBO_TOKEN', 'TURBO_TEAMID', 'TURBO_LOGIN'],
  ...['VERCEL_ARTIFACTS_TOKEN', 'VERCEL_ARTIFACTS_OWNER'],
]
const TURBOS_MODES = ['TURBO_CACHE', 'TURBO_REMOTE_ONLY', 'TURBO_REMOTE_CACHE_READ_ONLY']
const NXS_OWN = [
  ...['NX_SELF_HOSTED_REMOTE_CACHE_SERVER', 'NX_SELF_HOSTED_REMOTE_CACHE_ACCESS_TOKEN'],
  ...['NX_CLOUD_ACCESS_TOKEN', 'NX_CLOUD_AUTH_TOKEN', 'NX_CLOUD_ID'],
]

export function buildVariables({ url, mode, token }: CommandBuilds, env: Environment): Variables {
  if (mode === 'off') return {}
  const writing = mode === 'write' ? token : undefined
  const shown = writing ?? NO_TOKEN
  // Windows does not distinguish a variable's case.
  const set = new Set(Object.keys(env).map((name) => name.toUpperCase()))
  const says = (names: readonly string[]): boolean => names.some((name) => set.has(name))
  const named = env.TURBO_TEAM ?? ''
  const team = BUILD_TEAM.test(named) ? named : ANY_TEAM
  const server = new URL(`/-/catalog/builds/${team}`, url).href
  return {
    ...(!says(TURBOS_OWN) && {
      ...{ TURBO_API: server, TURBO_TOKEN: shown },
      ...(!says(['TURBO_TEAM']) && { TURBO_TEAM: team }),
      ...(writing === undefined && !says(TURBOS_MODES) && { TURBO_CACHE: 'local:rw,remote:r' }),
    }),
    ...(!says(NXS_OWN) && {
      NX_SELF_HOSTED_REMOTE_CACHE_SERVER: server,
      NX_SELF_HOSTED_REMOTE_CACHE_ACCESS_TOKEN: shown,
    }),
  }
}
