/** Which methods a path takes. */
import { CatalogError } from '@catalog-p2p/core'

/** @throws CatalogError INVALID_OPTIONS with status 405 */
export function requireMethod(method: string | undefined, allowed: readonly string[]): void {
  if (allowed.includes(method ?? '')) return
  throw new CatalogError('INVALID_OPTIONS', `only ${allowed.join(' and ')} here`, { status: 405 })
}
