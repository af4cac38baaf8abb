/**
 * Notifies the daemon of changes that Yarn makes at a registry (publish, dist-tags, staged versions), which never go through the
 * daemon because they carry credentials: afterwards the daemon revalidates the package before using its cache. Sends nothing but
 * the package's name, never fails a change, and delays it by a bounded time.
 */
import type { httpUtils, WrapNetworkRequestInfo } from '@yarnpkg/core'
import { GatewayGone } from './gateway-client.ts'
import { isPackageName } from './request-route.ts'
import type { Session } from './session.ts'

/** Deadline for the daemon's answer. */
const NOTIFY_MS = 1_000

export interface Change {
  /** undefined: only the registry knows the package. */
  readonly name: string | undefined
}

/** undefined when the request changes no package. */
export function parseChange(target: URL, method: string): Change | undefined {
  if (method === 'GET') return undefined
  const { pathname } = target
  if (/\/-\/stage\/[^/]+\/approve$/.test(pathname)) return { name: undefined }
  const tagged = /\/-\/package\/((?:@[^/]+\/)?[^/]+)\/dist-tags\/[^/]+$/.exec(pathname)?.[1]
  const isOther = pathname.includes('/-/') || method !== 'PUT'
  // Yarn writes @scope%2fname; a plain slash can't be told from a registry's own path.
  const name = decode(tagged ?? (isOther ? '' : (pathname.split('/').at(-1) ?? '')))
  return isPackageName(name) ? { name } : undefined
}

/** Notifies the daemon after the request, also after a failed one: the registry may have made the change. */
export function notifyAfter(
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
      await notify(session, change, extra)
    }
  }
}

async function notify(
  session: Session,
  { name }: Change,
  { configuration }: WrapNetworkRequestInfo,
): Promise<void> {
  const daemon = session.daemon(configuration)
  const gateway = await daemon?.gateway()
  if (gateway === undefined) return
  const body = name === undefined ? { names: [], unnamed: true } : { names: [name] }
  try {
    await gateway.post('-/catalog/changed', body, { deadlineMs: NOTIFY_MS })
  } catch (error) {
    // The daemon sees the change once its cache has expired.
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
