/**
 * Starts an uplink's own download so that it can be cancelled: `abort` of Verdaccio's streams does nothing, and the request behind
 * them would hold its connection until the last byte.
 */
import type { UplinkDownload } from './uplink-source.ts'
import { isObject, type TarballStream, type Uplink } from './verdaccio.ts'

export function startUplink(
  uplink: Uplink,
  url: string,
  fetchTarball: (this: Uplink, url: string) => TarballStream,
): UplinkDownload {
  const captured: { request?: unknown } = {}
  const stream = fetchTarball.call(capturingRequest(uplink, captured), url)
  let isCancelled = false
  return {
    stream,
    cancel() {
      if (isCancelled) return
      isCancelled = true
      if (abortRequest(captured.request)) stream.destroy()
      else stream.resume() // to its end: an unread stream would block its connection
    },
  }
}

/** The same uplink with the same state, which leaves its request in `captured`. */
function capturingRequest(uplink: Uplink, captured: { request?: unknown }): Uplink {
  if (typeof uplink.request !== 'function') return uplink
  const request = (...args: readonly unknown[]): unknown => {
    captured.request = uplink.request?.(...args)
    return captured.request
  }
  return Object.create(uplink, { request: { value: request } }) as Uplink
}

function abortRequest(request: unknown): boolean {
  if (!isObject(request) || typeof request['abort'] !== 'function') return false
  // Verdaccio's own mark: without it the abort would count as a failure of the uplink.
  Object.assign(request, { _verdaccio_aborted: true })
  request['abort'].call(request)
  return true
}
