/**
 * The hook: GETs of packuments and tarballs go to the daemon's gateway first, and everything else, and everything that fails
 * there, the way Yarn always went. No tarball reaches Yarn before its hash was checked, whoever sent it; no credentials ever
 * go to the daemon. https://yarnpkg.com/api/yarnpkg-core/interface/Hooks#wrapNetworkRequest
 */
import {
  httpUtils,
  type Configuration,
  type Hooks,
  type WrapNetworkRequestInfo,
} from '@yarnpkg/core'
import { GatewayGone, type GatewayAnswer } from './gateway-client.ts'
import type { Gateway } from './daemon.ts'
import { mayAskWithout } from './gateway-registries.ts'
import { parsePackument, pickPackument } from './packument-body.ts'
import { packumentPath, routeOf, type PackumentRoute, type RequestRoute } from './request-route.ts'
import type { Session } from './session.ts'
import { yarnRegistries } from './settings.ts'
import { fetchTarball } from './tarball.ts'

type Executor = () => Promise<httpUtils.Response>

export interface WrappedRequest {
  readonly configuration: Configuration
  /** By lower-case name, without those that Yarn left undefined. */
  readonly headers: ReadonlyMap<string, string>
  /** Yarn's own reader of packuments asks, and wants a parsed object. */
  readonly isReader: boolean
  /** As Yarn would have done it. */
  readonly executor: Executor
}

export function createNetworkWrapper(session: Session): NonNullable<Hooks['wrapNetworkRequest']> {
  return async (executor, extra) => {
    const route = wantedRoute(session, extra)
    if (route === undefined) return executor
    const { configuration } = extra
    const given = Object.entries(extra.headers ?? {})
    const headers = new Map(given.map(([name, value]) => [name.toLowerCase(), value]))
    // It always names this header, even with nothing to put in it.
    const isReader = headers.has('if-none-match')
    for (const [name, value] of headers) if (value === undefined) headers.delete(name)
    const request = { configuration, headers: headers as Map<string, string>, isReader, executor }
    return route.kind === 'packument'
      ? () => fetchPackument(session, route, request)
      : () => fetchTarball(session, route, request)
  }
}

function wantedRoute(session: Session, extra: WrapNetworkRequestInfo): RequestRoute | undefined {
  const { configuration, method = httpUtils.Method.GET, jsonResponse } = extra
  if (method !== httpUtils.Method.GET || jsonResponse === true) return undefined
  const target = new URL(extra.target)
  // Offline is offline, even if the daemon would do.
  const { enableNetwork } = httpUtils.getNetworkSettings(target, { configuration })
  if (enableNetwork === false) return undefined
  const { known } = session
  return (
    known.locate(target) ?? routeOf(target, yarnRegistries(configuration), known.tarballBases())
  )
}

async function fetchPackument(
  session: Session,
  route: PackumentRoute,
  request: WrappedRequest,
): Promise<httpUtils.Response> {
  const { configuration, headers } = request
  // Who wants no cache wants to hear it from the registry itself.
  const mayBeOld = headers.get('cache-control') !== 'no-cache'
  const found = mayBeOld ? await session.gatewayFor(configuration, route) : undefined
  if (found !== undefined && mayAskWithout(found.registry, headers.has('authorization'))) {
    const answer = await askGateway(session, request, {
      gateway: found.gateway,
      path: packumentPath(route.name),
      headers: { accept: headers.get('accept') ?? 'application/json' },
    })
    const response = answer && takePackument(session, route, { request, answer })
    if (response !== undefined) return response
  }
  const response = await request.executor()
  if (request.isReader && response.body !== null && typeof response.body === 'object') {
    session.known.learnLocations(route, response.body as object)
  }
  return response
}

function takePackument(
  session: Session,
  route: PackumentRoute,
  { request, answer }: { request: WrappedRequest; answer: GatewayAnswer },
): httpUtils.Response | undefined {
  try {
    const packument = pickPackument(parsePackument(answer.body))
    session.known.learn(route, packument, 'daemon')
    const body = request.isReader ? packument : answer.body
    return { body, headers: answer.headers, statusCode: 200, statusMessage: 'OK' }
  } catch {
    return undefined // no packument: the registry will have one
  }
}

export interface GatewayQuestion {
  readonly gateway: Gateway
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
}

/** Its answer if it is a good one; undefined when Yarn should ask the registry itself. */
export async function askGateway(
  session: Session,
  request: Pick<WrappedRequest, 'configuration'>,
  { gateway, path, headers }: GatewayQuestion,
): Promise<GatewayAnswer | undefined> {
  try {
    const answer = await gateway.get(path, headers)
    return answer.status === 200 ? answer : undefined
  } catch (error) {
    if (error instanceof GatewayGone) session.daemon(request.configuration)?.lost(gateway)
    return undefined // whatever it is, the registry may do better
  }
}
