/** What people name a version by: an Asset ID, `name@version`, or a name alone. */
import { CatalogError, parseAssetId } from '@catalog-p2p/core'
import { isPackageName, isVersion } from '../http/route.ts'
import type { WantedAsset } from './resolve-asset.ts'

/** @throws CatalogError INVALID_NAME */
export function parseAsset(text: string): WantedAsset {
  if (text.startsWith('catalog:')) {
    const { name, version, root } = parseAssetId(text)
    return { name, version, root: Buffer.from(root).toString('hex') }
  }
  const at = text.indexOf('@', 1)
  const name = at === -1 ? text : text.slice(0, at)
  const version = at === -1 ? undefined : text.slice(at + 1)
  if (isPackageName(name) && (version === undefined || isVersion(version))) {
    return { name, version, root: undefined }
  }
  throw new CatalogError(
    'INVALID_NAME',
    `neither a package nor an Asset ID: ${text.slice(0, 300)}`,
    {
      hint: 'write name, name@1.2.3 or catalog:name@1.2.3:<64 hex characters>',
    },
  )
}
