/**
 * The hash that a version's tarball must have: from metadata seen in this run, else from metadata asked for now, of the
 * daemon or, if that does not know the version, of the registry.
 */
import { structUtils } from '@yarnpkg/core'
import { npmHttpUtils } from '@yarnpkg/plugin-npm'
import type { KnownVersion } from './known-versions.ts'
import { parsePackument, pickPackument } from './packument-body.ts'
import type { TarballRoute } from './request-route.ts'
import type { Session } from './session.ts'
import type { WrappedRequest } from './ask-gateway.ts'

export interface Expected extends KnownVersion {
  /** Why nothing is known; undefined: something is, or the metadata has no hash. */
  readonly problem?: string
}

type Asker = Pick<WrappedRequest, 'configuration'>

const ABBREVIATED = 'application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*'

/** Never throws. */
export async function findExpected(
  session: Session,
  route: TarballRoute,
  asker: Asker,
): Promise<Expected> {
  const seen = session.known.find(route)
  if (seen !== undefined) return seen
  try {
    await session.lookUp(route, () => askFor(session, route, { asker, cached: true }))
    const found = session.known.find(route)
    if (found !== undefined) return found
    // The daemon's copy may be some minutes old.
    const again = { ...route, name: `${route.name} anew` }
    await session.lookUp(again, () => askFor(session, route, { asker, cached: false }))
    return session.known.find(route) ?? unknown(route, 'it names no such version')
  } catch (error) {
    return unknown(route, error instanceof Error ? error.message : String(error))
  }
}

/** Goes through our own hook like any other request of Yarn's, so to the daemon first unless `cached` is false. */
async function askFor(
  session: Session,
  route: TarballRoute,
  { asker, cached }: { asker: Asker; cached: boolean },
): Promise<void> {
  const ident = structUtils.parseIdent(route.name)
  const body = await npmHttpUtils.get(npmHttpUtils.getIdentUrl(ident), {
    ...{ configuration: asker.configuration, ident },
    headers: { accept: ABBREVIATED, ...(!cached && { 'cache-control': 'no-cache' }) },
    // Yarn keeps answers by their URL alone, unless somebody wraps the request.
    wrapNetworkRequest: (executor) => Promise.resolve(executor),
  })
  if (session.known.find(route) !== undefined) return
  const packument = pickPackument(parsePackument(Buffer.from(body.toString())))
  session.known.learn(route, packument, 'registry')
}

function unknown({ name, version, registry }: TarballRoute, reason: string): Expected {
  const problem = `${name}@${version} can't be checked, because its metadata could not be had from ${registry}: ${reason}. Try again when the registry is there`
  return { integrity: undefined, source: 'registry', problem }
}
