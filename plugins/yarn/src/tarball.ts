/**
 * One tarball for Yarn: from the daemon, else as Yarn always got it, and in either case only when its hash is the one in the
 * registry's metadata. Where the daemon has it wrong the registry is asked; where the registry has it wrong the install
 * fails, by name.
 */
import { MessageName, ReportError, type httpUtils } from '@yarnpkg/core'
import { findExpected, type Expected } from './expected.ts'
import { mayAskWithout } from './gateway-registries.ts'
import { mismatch } from './integrity.ts'
import { tarballPath, type TarballRoute } from './request-route.ts'
import { countServed, type Session } from './session.ts'
import { askGateway, type WrappedRequest } from './ask-gateway.ts'

export async function fetchTarball(
  session: Session,
  route: TarballRoute,
  request: WrappedRequest,
): Promise<httpUtils.Response> {
  const found = await session.gatewayFor(request.configuration, route)
  const { hasCredentials } = request
  if (found === undefined || !mayAskWithout(found.registry, hasCredentials)) {
    return fetchDirectly(session, route, { request, before: undefined })
  }
  const expected = await findExpected(session, route, request)
  const { integrity } = expected
  let before: string | undefined
  // What the daemon does not see without our credentials is private: its peers should not even be asked for its hash.
  if (integrity !== undefined && (!hasCredentials || expected.source === 'daemon')) {
    const answer = await askGateway(session, request, {
      gateway: found.gateway,
      path: tarballPath(route.name, route.version),
      headers: { 'accept-encoding': 'identity', 'pacote-integrity': integrity },
    })
    before = answer && mismatch(answer.body, integrity)
    if (answer !== undefined && before === undefined) {
      countServed(session, answer.headers)
      const { body, headers } = answer
      return { body, headers, statusCode: 200, statusMessage: 'OK' }
    }
    if (before !== undefined) session.counts.wrong.push(nameOf(route))
  }
  session.counts.direct += 1
  return fetchDirectly(session, route, { request, before, expected })
}

interface Direct {
  readonly request: WrappedRequest
  /** The hash of what the daemon had instead. */
  readonly before: string | undefined
  /** If it is known already. */
  readonly expected?: Expected
}

async function fetchDirectly(
  session: Session,
  route: TarballRoute,
  { request, before, expected }: Direct,
): Promise<httpUtils.Response> {
  const known: Expected | undefined = expected ?? session.known.find(route)
  // yarn.lock has a checksum of this very archive, which Yarn compares itself: no metadata needs to be fetched for it.
  const isLocked = session.known.isLocked(route.name, route.version)
  if (known === undefined && isLocked) return request.executor()
  const [response, { integrity, problem, source }] = await Promise.all([
    request.executor().catch((error: unknown) => {
      throw before === undefined ? error : afterWrong(route, before, error)
    }),
    known ?? findExpected(session, route, request),
  ])
  if (integrity === undefined) {
    if (isLocked) return response
    if (problem !== undefined) throw new ReportError(MessageName.NETWORK_ERROR, problem)
    session.counts.unchecked.push(nameOf(route))
    return response
  }
  const got = mismatch(response.body as Buffer, integrity)
  if (got === undefined) return response
  throw new ReportError(
    MessageName.CACHE_CHECKSUM_MISMATCH,
    `${nameOf(route)} is not what its metadata says: expected ${integrity}, got ${got} from ${placeOf(route)}. ` +
      `Nothing of it was used. Try again; if it stays so, somebody serves changed packages: ${blame(source)}`,
  )
}

function blame(source: Expected['source']): string {
  return source === 'daemon'
    ? 'the registry, or the daemon that had the metadata (YARN_CATALOG_ENABLED=0 installs without it)'
    : 'the registry, or something on the way to it'
}

function afterWrong(route: TarballRoute, before: string, error: unknown): ReportError {
  const words = error instanceof Error ? error.message : String(error)
  return new ReportError(
    MessageName.CACHE_CHECKSUM_MISMATCH,
    `${nameOf(route)}: what the daemon had is not the package (got ${before}), and ${placeOf(route)} did not answer: ` +
      `${words}. Nothing of it was used; try again when the registry is there`,
  )
}

function placeOf({ address, registry }: TarballRoute): string {
  return address ?? registry
}

function nameOf({ name, version }: TarballRoute): string {
  return `${name}@${version}`
}
