/**
 * Changes that Yarn makes at a registry (publish, dist-tags, staged versions) go past the daemon, as all that carries the
 * user's credentials does. Afterwards the daemon is told the package's name, so that it asks the registry before it uses
 * what it has of it. Nothing but the name is told, only to the daemon, and no change ever fails or waits long for it.
 */
import type { httpUtils, WrapNetworkRequestInfo } from '@yarnpkg/core'
import { GatewayGone } from './gateway-client.ts'
import { isPackageName } from './request-route.ts'
import type { Session } from './session.ts'

/** All that a change ever waits for the daemon, once there is one. */
const TELL_MS = 1_000

export interface Change {
  /** undefined: a package, but only the registry knows which. */
  readonly name: string | undefined
}

/** What a request changes; undefined: it only asks, or it is about no package. */
export function changeOf(target: URL, method: string): Change | undefined {
  if (method === 'GET') return undefined
  const { pathname } = target
  if (/\/-\/stage\/[^/]+\/approve$/.test(pathname)) return { name: undefined }
  const tagged = /\/-\/package\/((?:@[^/]+\/)?[^/]+)\/dist-tags\/[^/]+$/.exec(pathname)?.[1]
  const isOther = pathname.includes('/-/') || method !== 'PUT'
  // Yarn writes @scope%2fname; a plain slash can't be told from a registry's own path.
  const name = decode(tagged ?? (isOther ? '' : (pathname.split('/').at(-1) ?? '')))
  return isPackageName(name) ? { name } : undefined
}

/** The request, and then a word to the daemon, also when the answer was an error: the change may have been made all the same. */
export function tellingAfter(
  session: Session,
  change: Change,
  {
    executor,
    extra,
  }: { executor: () => Promise<httpUtils.Response>; extra: WrapNetworkRequestInfo },
): () => Promise<httpUtils.Response> {
  return async () => {
    try {
      return await executor()
    } finally {
      await tell(session, change, extra)
    }
  }
}

async function tell(
  session: Session,
  { name }: Change,
  { configuration }: WrapNetworkRequestInfo,
): Promise<void> {
  const daemon = session.daemon(configuration)
  const gateway = await daemon?.gateway()
  if (gateway === undefined) return
  const body = name === undefined ? { names: [], unnamed: true } : { names: [name] }
  try {
    await gateway.post('-/catalog/changed', body, { deadlineMs: TELL_MS })
  } catch (error) {
    // It will see the change when what it has is old; Yarn has made it already.
    if (error instanceof GatewayGone) daemon?.lost(gateway)
  }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return '' // a stray % in the URL
  }
}
