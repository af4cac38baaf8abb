/**
 * What a tarball must be, as its metadata says, and whether it is that. Pure. The strongest hash there is decides; nothing
 * weaker is ever accepted beside it.
 */
import ssri, { type HashLike } from 'ssri'

/** The hash fields of a version's `dist`. */
export interface Dist {
  readonly integrity?: unknown
  readonly shasum?: unknown
}

/** Old packages' metadata can be long gone wrong: longer than this is no integrity. */
const MAX_LENGTH = 4096
const KNOWN = ['sha512', 'sha384', 'sha256', 'sha1']

/** Subresource Integrity of the strongest algorithm that `dist` names; undefined: it names none. */
export function expectedIntegrity(dist: Dist): string | undefined {
  return strongest(dist.integrity) ?? fromShasum(dist.shasum)
}

function strongest(integrity: unknown): string | undefined {
  if (typeof integrity !== 'string' || integrity.length > MAX_LENGTH) return undefined
  const parsed = ssri.parse(integrity) as Partial<Record<string, HashLike[]>> | null
  const found = KNOWN.find((algorithm) => parsed?.[algorithm] !== undefined)
  const hashes = found === undefined ? [] : (parsed?.[found] ?? [])
  if (hashes.length === 0) return undefined
  return hashes.map(({ algorithm, digest }) => `${algorithm}-${digest}`).join(' ')
}

function fromShasum(shasum: unknown): string | undefined {
  if (typeof shasum !== 'string' || !/^[0-9a-f]{40}$/i.test(shasum)) return undefined
  return ssri.fromHex(shasum.toLowerCase(), 'sha1').toString()
}

/** undefined when `bytes` are what `expected` says, else what they are instead, in the same algorithm. */
export function mismatch(bytes: Uint8Array, expected: string): string | undefined {
  const algorithm = expected.slice(0, expected.indexOf('-'))
  const got = ssri.fromData(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), {
    algorithms: [algorithm],
  })
  return expected.split(' ').includes(got.toString()) ? undefined : got.toString()
}
