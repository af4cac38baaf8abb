/**
 * Addresses of build results: `/-/catalog/builds/TEAM`, and behind it what each tool appends by itself. Which tool it is shows in the
 * path alone: `v8/artifacts` is Turborepo's API (https://turborepo.dev/docs/openapi), `v1/cache` that of Nx
 * (https://nx.dev/docs/kb/self-hosted-caching). Pure.
 */

/** `turbo` is Turborepo's Remote Cache API, which pnpm speaks as well. */
export type BuildTool = 'turbo' | 'nx'

export interface BuildRoute {
  readonly route: 'builds'
  readonly tool: BuildTool
  readonly team: string
  /** `status`, `events`: of the tool, about no task. */
  readonly ask: 'status' | 'events' | 'result'
  /** Of the task; empty where it is about none. */
  readonly hash: string
}

/** What can be a package's name behind a scope, since the trust file names it so. */
export const BUILD_TEAM = /^[a-z0-9][a-z0-9._-]{0,63}$/
const HASH = /^[\w-]{1,128}$/

/** @param path segments behind `builds` */
export function buildRoute(method: string, path: readonly string[]): BuildRoute | undefined {
  const [team = '', version, kind, last = ''] = path
  if (path.length !== 4 || !BUILD_TEAM.test(team)) return undefined
  const tool = TOOLS[`${version}/${kind}`]
  if (tool === undefined) return undefined
  const about = { route: 'builds', tool, team } as const
  if (tool === 'turbo' && last === 'status') return { ...about, ask: 'status', hash: '' }
  if (tool === 'turbo' && last === 'events') {
    return method === 'POST' ? { ...about, ask: 'events', hash: '' } : undefined
  }
  return HASH.test(last) ? { ...about, ask: 'result', hash: last } : undefined
}

const TOOLS: Readonly<Record<string, BuildTool>> = {
  'v8/artifacts': 'turbo',
  'v1/cache': 'nx',
}
