/**
 * The hook: GETs of packuments and tarballs go to the daemon's gateway first, and everything else, and everything that fails
 * there, the way Yarn always went. No tarball reaches Yarn before its hash was checked, whoever sent it; no credentials ever
 * go to the daemon, which is only told of a change that Yarn has made. https://yarnpkg.com/api/yarnpkg-core/interface/Hooks#wrapNetworkRequest
 */
import { httpUtils, structUtils, type Hooks, type WrapNetworkRequestInfo } from '@yarnpkg/core'
import { parseChange, notifyAfter, type Change } from './notify-changes.ts'
import { fetchPackument } from './packument.ts'
import { routeOf, type RequestRoute } from './request-route.ts'
import type { Session } from './session.ts'
import { hasUrlCredentials, yarnRegistries } from './settings.ts'
import { fetchTarball } from './tarball.ts'

export function createNetworkWrapper(session: Session): NonNullable<Hooks['wrapNetworkRequest']> {
  return async (executor, extra) => {
    const change = madeChange(extra)
    if (change !== undefined) return notifyAfter(session, change, { executor, extra })
    const route = wantedRoute(session, extra)
    if (route === undefined) return executor
    const { configuration } = extra
    const given = Object.entries(extra.headers ?? {})
    const headers = new Map(given.map(([name, value]) => [name.toLowerCase(), value]))
    // It always names this header, even with nothing to put in it.
    const isReader = headers.has('if-none-match')
    for (const [name, value] of headers) if (value === undefined) headers.delete(name)
    const ident = structUtils.parseIdent(route.name)
    const request = {
      ...{ configuration, headers: headers as Map<string, string>, isReader, executor },
      hasCredentials: headers.has('authorization') || hasUrlCredentials(configuration, ident),
    }
    return route.kind === 'packument'
      ? () => fetchPackument(session, route, request)
      : () => fetchTarball(session, route, request)
  }
}

function madeChange({ configuration, target, method }: WrapNetworkRequestInfo): Change | undefined {
  const url = new URL(target)
  const change = parseChange(url, method ?? httpUtils.Method.GET)
  if (change === undefined) return undefined
  const { enableNetwork } = httpUtils.getNetworkSettings(url, { configuration })
  return enableNetwork === false ? undefined : change
}

function wantedRoute(session: Session, extra: WrapNetworkRequestInfo): RequestRoute | undefined {
  const { configuration, method = httpUtils.Method.GET, jsonResponse } = extra
  if (method !== httpUtils.Method.GET || jsonResponse === true) return undefined
  const target = new URL(extra.target)
  // Offline is offline, even if the daemon would do.
  const { enableNetwork } = httpUtils.getNetworkSettings(target, { configuration })
  if (enableNetwork === false) return undefined
  // What a package's metadata names is to be that package, also where it is another's usual address.
  return session.archives?.find(target) ?? routeOf(target, yarnRegistries(configuration))
}
