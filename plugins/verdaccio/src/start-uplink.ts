/**
 * Starts an uplink's own download such that it can be ended again: Verdaccio's streams have an `abort` that does nothing, and
 * the request behind them would hold its connection until the last byte.
 */
import type { UplinkDownload } from './uplink-source.ts'
import { isObject, type TarballStream, type Uplink } from './verdaccio.ts'

export function startUplink(
  uplink: Uplink,
  url: string,
  fetchTarball: (this: Uplink, url: string) => TarballStream,
): UplinkDownload {
  const seen: { request?: unknown } = {}
  const stream = fetchTarball.call(watching(uplink, seen), url)
  let isCancelled = false
  return {
    stream,
    cancel() {
      if (isCancelled) return
      isCancelled = true
      if (endRequest(seen.request)) stream.destroy()
      else stream.resume() // to its end: a stream that nobody reads would block its connection
    },
  }
}

/** The same uplink, of which the one request it makes is noticed; all state stays its own. */
function watching(uplink: Uplink, seen: { request?: unknown }): Uplink {
  if (typeof uplink.request !== 'function') return uplink
  const request = (...args: readonly unknown[]): unknown => {
    seen.request = uplink.request?.(...args)
    return seen.request
  }
  return Object.create(uplink, { request: { value: request } }) as Uplink
}

function endRequest(request: unknown): boolean {
  if (!isObject(request) || typeof request['abort'] !== 'function') return false
  // Verdaccio's own mark of a request that did not fail: the uplink must not be taken for offline.
  Object.assign(request, { _verdaccio_aborted: true })
  request['abort'].call(request)
  return true
}
