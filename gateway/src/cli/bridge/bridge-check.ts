/** Asks the daemon through a bridge, as a guest would, whether it is there and whether it is careful. */
import { request, type RequestOptions } from 'node:http'
import { CatalogError } from '@catalog-p2p/core'
import type { Bridge } from '../../bridges/bridge-file.ts'
import { guestUrl } from './bridge-lines.ts'

const TIMEOUT_MS = 5_000
const MAX_BYTES = 64 * 1024

/** @throws CatalogError DAEMON_FAILED unless the daemon with that id answers, and shows guests nothing of itself */
export async function checkBridge(bridge: Bridge, id: string, signal: AbortSignal): Promise<void> {
  const health = await ask(bridge, '/-/catalog/health', signal)
  const said = JSON.parse(health.body) as { id?: unknown; bridge?: unknown }
  if (health.status !== 200 || said.id !== id || said.bridge !== true) {
    throw failed(bridge, 'something else answers there')
  }
  const status = await ask(bridge, '/-/catalog/status', signal)
  if (status.status !== 403) throw failed(bridge, 'it shows guests what they must not see')
}

function ask(
  bridge: Bridge,
  path: string,
  signal: AbortSignal,
): Promise<{ status: number; body: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; body: string }>()
  const place: RequestOptions =
    bridge.kind === 'sandbox'
      ? { socketPath: bridge.path }
      : { host: bridge.address, port: bridge.port }
  const { host } = new URL(guestUrl(bridge))
  const req = request({ ...place, path, headers: { host }, agent: false, signal }, (res) => {
    let body = ''
    res.setEncoding('utf8')
    res.on('data', (text: string) => {
      body += text
      if (body.length > MAX_BYTES) res.destroy(new Error('its answer is too long'))
    })
    res.once('error', reject)
    res.once('end', () => resolve({ status: res.statusCode ?? 0, body }))
  })
  req.setTimeout(TIMEOUT_MS, () => req.destroy(new Error(`silent for ${TIMEOUT_MS} ms`)))
  req.once('error', (error) => reject(failed(bridge, error.message, error)))
  req.end()
  return promise
}

function failed(bridge: Bridge, why: string, cause?: unknown): CatalogError {
  const where = bridge.kind === 'sandbox' ? bridge.path : `${bridge.address} port ${bridge.port}`
  return new CatalogError('DAEMON_FAILED', `the bridge at ${where}: ${why}`, { cause })
}
