/**
 * One packument for Yarn: from the daemon, else as Yarn always got it. Its hashes are remembered for the tarballs that follow.
 */
import type { httpUtils } from '@yarnpkg/core'
import { askGateway, type WrappedRequest } from './ask-gateway.ts'
import type { GatewayAnswer } from './gateway-client.ts'
import { mayAskWithout } from './gateway-registries.ts'
import { parsePackument, pickPackument } from './packument-body.ts'
import { packumentPath, type PackumentRoute } from './request-route.ts'
import type { Session } from './session.ts'

export async function fetchPackument(
  session: Session,
  route: PackumentRoute,
  request: WrappedRequest,
): Promise<httpUtils.Response> {
  const { configuration, headers } = request
  // Who wants no cache wants to hear it from the registry itself.
  const mayBeOld = headers.get('cache-control') !== 'no-cache'
  const found = mayBeOld ? await session.gatewayFor(configuration, route) : undefined
  if (found !== undefined && mayAskWithout(found.registry, request.hasCredentials)) {
    const answer = await askGateway(session, request, {
      gateway: found.gateway,
      path: packumentPath(route.name),
      headers: { accept: headers.get('accept') ?? 'application/json' },
    })
    const response = answer && takePackument(session, route, { request, answer })
    if (response !== undefined) return response
  }
  return request.executor()
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
