/**
 * What a change that was passed through means for what we have: whoever publishes, tags or unpublishes through this
 * gateway sees it in its very next answer. Told before the client is, and also when upstream's answer was lost on the way,
 * because the change may have been made all the same.
 */
import type { PackumentCache } from '../packuments/cache/packument-cache.ts'

export interface OwnWriteDependencies {
  readonly cache: Pick<PackumentCache, 'expire' | 'expireAll' | 'forget'>
  readonly kept: { forget(name: string): void }
  readonly artifacts: { forgetVisibility(name: string): void; forgetVersions(name: string): void }
}

export interface PassedCall {
  readonly method: string | undefined
  readonly url: string | undefined
  /** The package it was about, where the path tells. */
  readonly name: string | undefined
}

export function noteWrite(deps: OwnWriteDependencies, { method, url, name }: PassedCall): void {
  if (method === 'GET' || method === 'HEAD') return
  const path = url?.split('?', 1)[0] ?? ''
  if (name === undefined) {
    // A staged version goes public; which package it is, only upstream knows.
    if (/^\/-\/stage\/[^/]+\/approve$/.test(path)) deps.cache.expireAll()
    return
  }
  deps.artifacts.forgetVersions(name)
  deps.kept.forget(name)
  const isAccess = /^\/-\/package\/.+\/access$/.test(path)
  const isGone = method === 'DELETE' && /^\/[^-][^/]*(\/[^-/][^/]*)?\/-rev\/[^/]+$/.test(path)
  if (!isAccess && !isGone) return deps.cache.expire(name)
  // It may be private from now on, or be gone: nothing that was known of it counts, not even while upstream is down.
  deps.cache.forget(name)
  deps.artifacts.forgetVisibility(name)
}
