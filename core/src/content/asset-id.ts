/**
 * The Asset ID: `catalog:<name>@<version>:<merkle root in hex>`, how the HyperMesh ecosystem names one version of one package.
 * It binds a name to content; it never proves that the name's owner published it. Pure.
 */
import { CatalogError } from '../errors.ts'
import { HASH_BYTES } from './merkle.ts'

export interface AssetId {
  /** npm package name, with its scope if it has one. */
  readonly name: string
  /** Semantic version, without a leading v. */
  readonly version: string
  /** Merkle root of the artifact, 32 bytes. */
  readonly root: Uint8Array
}

const SCHEME = 'catalog:'
const MAX_NAME_LENGTH = 214
const MAX_VERSION_LENGTH = 256
// The characters that old npm packages may have, capitals among them: what a registry serves must be nameable.
const NAME = /^(?:@[\w\-.!~*'()]+\/)?[\w\-.!~*'()]+$/
// semver.org's own expression, without the capture groups.
const VERSION =
  /^(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)(?:-(?:0|[1-9]\d*|\d*[a-zA-Z-][\da-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][\da-zA-Z-]*))*)?(?:\+[\da-zA-Z-]+(?:\.[\da-zA-Z-]+)*)?$/
const ROOT = /^[0-9a-f]{64}$/

/** True for a name that npm has ever allowed to be published. */
export function isPackageName(name: string): boolean {
  if (name.length > MAX_NAME_LENGTH || !NAME.test(name)) return false
  const bare = name.slice(name.indexOf('/') + 1)
  if (/^[._]/.test(name) || bare.startsWith('.')) return false
  return bare.toLowerCase() !== 'node_modules' && bare.toLowerCase() !== 'favicon.ico'
}

export function isPackageVersion(version: string): boolean {
  return version.length <= MAX_VERSION_LENGTH && VERSION.test(version)
}

/** @throws CatalogError INVALID_NAME unless every part is well-formed */
export function formatAssetId(asset: AssetId): string {
  if (!isPackageName(asset.name)) throw invalid(`package name ${asset.name}`)
  if (!isPackageVersion(asset.version)) throw invalid(`version ${asset.version}`)
  if (asset.root.byteLength !== HASH_BYTES) throw invalid(`root of ${asset.root.byteLength} bytes`)
  return `${SCHEME}${asset.name}@${asset.version}:${Buffer.from(asset.root).toString('hex')}`
}

/** @throws CatalogError INVALID_NAME */
export function parseAssetId(text: string): AssetId {
  if (!text.startsWith(SCHEME)) throw invalid(text)
  const colon = text.lastIndexOf(':')
  const at = text.lastIndexOf('@', colon)
  const name = text.slice(SCHEME.length, at)
  const version = text.slice(at + 1, colon)
  const root = text.slice(colon + 1)
  // A name that is only a scope leaves `at` at the start, so the name is empty and refused.
  if (at < SCHEME.length || !isPackageName(name) || !isPackageVersion(version)) throw invalid(text)
  if (!ROOT.test(root)) throw invalid(text)
  return { name, version, root: Uint8Array.from(Buffer.from(root, 'hex')) }
}

function invalid(what: string): CatalogError {
  return new CatalogError('INVALID_NAME', `not an Asset ID: ${what.slice(0, 300)}`, {
    hint: 'write catalog:<name>@<version>:<64 hex characters of the Merkle root>',
  })
}
