/**
 * The binary form of a manifest: digest 64, size u64, chunk size u32, root 32; 108 bytes. Pure. Transfer sends the fields of a
 * manifest in a message of its own; this form, which names the root, is not used yet: publishing will.
 * docs/protocol.md, section Manifest.
 */
import { DIGEST_BYTES, digestFromBytes, digestToBytes } from '../content/digest.ts'
import { manifestProblem, type Manifest } from '../content/manifest.ts'
import { HASH_BYTES } from '../content/merkle.ts'
import { CatalogError } from '../errors.ts'
import { FieldReader, FieldWriter } from './fields.ts'

/** Bytes of an encoded manifest. */
export const MANIFEST_BYTES = DIGEST_BYTES + 8 + 4 + HASH_BYTES

/** @throws RangeError for a manifest that breaks the bounds: our own mistake, not a peer's */
export function encodeManifest(manifest: Manifest): Uint8Array {
  const problem = manifestProblem(manifest)
  if (problem !== undefined) throw new RangeError(problem)
  return new FieldWriter()
    .bytes(digestToBytes(manifest.digest))
    .u64(manifest.size)
    .u32(manifest.chunkSize)
    .bytes(manifest.root)
    .toBytes()
}

/** @throws CatalogError PEER_MISBEHAVED unless `bytes` are exactly one manifest within bounds */
export function decodeManifest(bytes: Uint8Array): Manifest {
  const reader = new FieldReader(bytes)
  const manifest: Manifest = {
    digest: digestFromBytes(reader.bytes(DIGEST_BYTES)),
    size: reader.u64(),
    chunkSize: reader.u32(),
    // A copy: what was read may be a view of a transport's buffer.
    root: Uint8Array.from(reader.bytes(HASH_BYTES)),
  }
  reader.end()
  const problem = manifestProblem(manifest)
  if (problem !== undefined) throw new CatalogError('PEER_MISBEHAVED', `bad manifest: ${problem}`)
  return manifest
}
