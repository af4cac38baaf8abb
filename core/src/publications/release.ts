/**
 * A release: a publisher's signed statement about one version, never changed once it is made. It names the bytes and carries what
 * clients need to know before they have them. Pure: bytes and their bounds. docs/protocol.md, section Releases
 */
import { z } from 'zod'
import { isPackageName, isPackageVersion } from '../content/asset-id.ts'
import { digestFromBytes, digestToBytes, type Digest } from '../content/digest.ts'
import { MalformedError } from '../content/malformed.ts'
import { manifestProblem } from '../content/manifest.ts'
import { CatalogError } from '../errors.ts'
import type { HybridKey } from '../signing/hybrid-key.ts'
import type { KeyId } from '../signing/key-id.ts'
import { openStatement, signStatement } from '../signing/statement.ts'

export const RELEASE_TYPE = 'catalog/release/1'
/** With both signatures and all; a record has room for no more. */
export const MAX_RELEASE_BYTES = 65_535
/** Of package.json's fields, as JSON, and of what is kept beside them (its provenance). */
export const MAX_MANIFEST_BYTES = 60_000

export interface ReleaseFields {
  readonly name: string
  readonly version: string
  readonly digest: Digest
  /** Bytes of the tarball. */
  readonly size: number
  /** Of the Merkle tree. */
  readonly chunkSize: number
  /** Merkle root, 32 bytes. */
  readonly root: Uint8Array
  /** What of package.json a registry would show, as JSON: an object with this name and version. */
  readonly manifest: string
  /** Milliseconds since the Unix epoch, by the publisher's clock. */
  readonly publishedAtMs: number
}

export interface Release extends ReleaseFields {
  readonly publisher: KeyId
}

const TOO_LARGE = `package.json's fields and the provenance take more than ${MAX_MANIFEST_BYTES} bytes together`
const bodySchema = z.strictObject({
  name: z.string().refine(isPackageName, 'not a package name'),
  version: z.string().refine(isPackageVersion, 'not a version'),
  digest: z.instanceof(Uint8Array),
  size: z.int().nonnegative(),
  chunkSize: z.int().positive(),
  root: z.instanceof(Uint8Array),
  manifest: z.string().refine((text) => Buffer.byteLength(text) <= MAX_MANIFEST_BYTES, TOO_LARGE),
  time: z.int().nonnegative(),
})

/** @throws CatalogError INVALID_STATEMENT for fields that nobody would accept: it is not signed then */
export function signRelease(fields: ReleaseFields, key: HybridKey): Uint8Array {
  const { name, version, size, chunkSize, root, manifest } = fields
  const digest = Uint8Array.from(digestToBytes(fields.digest))
  const time = fields.publishedAtMs
  const body = { name, version, digest, size, chunkSize, root, manifest, time }
  const statement = signStatement({ type: RELEASE_TYPE, body }, key)
  openRelease(statement)
  return statement
}

/**
 * Verified to be its signer's; whether that key may publish the name is another question.
 * @param options.vouchedBy the signer of a verified head that names it by its hash: only what that one signed is taken, unverified
 * @throws CatalogError INVALID_STATEMENT
 */
export function openRelease(
  statement: Uint8Array,
  options: { readonly vouchedBy?: KeyId } = {},
): Release {
  const expected = { type: RELEASE_TYPE, maxBytes: MAX_RELEASE_BYTES, ...options }
  const { body, signer } = openStatement(statement, expected)
  const parsed = bodySchema.safeParse(body)
  if (!parsed.success) throw refused(parsed.error.issues[0]?.message ?? 'its fields')
  const { time, ...rest } = parsed.data
  const release = { ...rest, digest: toDigest(rest.digest), publishedAtMs: time, publisher: signer }
  const problem = manifestProblem(release) ?? packageProblem(release)
  if (problem !== undefined) throw refused(problem)
  return release
}

function toDigest(bytes: Uint8Array): Digest {
  try {
    return digestFromBytes(bytes)
  } catch {
    throw refused('its digest')
  }
}

function packageProblem({ name, version, manifest }: Release): string | undefined {
  try {
    const parsed: unknown = JSON.parse(manifest)
    const isItsOwn =
      typeof parsed === 'object' &&
      parsed !== null &&
      Reflect.get(parsed, 'name') === name &&
      Reflect.get(parsed, 'version') === version
    return isItsOwn ? undefined : 'the package.json of another version'
  } catch {
    return 'a package.json that is no JSON'
  }
}

function refused(what: string): CatalogError {
  return new CatalogError('INVALID_STATEMENT', `a release is refused: ${what}`, {
    cause: new MalformedError(what),
  })
}
