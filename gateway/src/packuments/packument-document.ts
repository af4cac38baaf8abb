/**
 * All that is ever done to the text of a packument, in one pass: check, rewrite tarball URLs, abbreviate, list versions,
 * compress. Pure and slow on big documents, so it runs in packument-worker.ts only, never on the main thread.
 * It imports nothing of core, because a worker started from source cannot resolve it.
 */
import { createHash } from 'node:crypto'
import { gunzipSync, gzipSync } from 'node:zlib'
import { tarballUrl, type TarballPolicy } from './client-policy.ts'
import { isVersion } from '../http/route.ts'
import { packSignatures } from './version-lines.ts'

export interface PackumentForm {
  readonly policy: TarballPolicy
  /** Of the gateway as the client spells it, without a trailing slash. */
  readonly base: string
}

export interface PackumentJob {
  readonly body: Uint8Array
  readonly gzipped: boolean
  /** Bytes, unpacked, at most. */
  readonly maxBytes: number
  /** URL of the registry that the document is from. */
  readonly registry: string
  /** It was not given without credentials. */
  readonly isPrivate: boolean
  /** List npm's signatures too, which show what of this registry's packages is public. */
  readonly withSignatures?: boolean
  readonly name: string
  /** Whose tarball URLs to put in; undefined: no variant is wanted. */
  readonly form: PackumentForm | undefined
  /** Make the abbreviated form from a full document. */
  readonly abbreviate: boolean
  /** Fresh from upstream: hash it and list its versions as well. `body` is then the worker's, and comes back as `raw`. */
  readonly ingest: boolean
}

export interface PackumentResult {
  /** The document with this job's tarball URLs, gzipped; undefined when it is what came in, byte for byte. */
  readonly variant: Uint8Array | undefined
  readonly ingested: IngestedPackument | undefined
}

export interface IngestedPackument {
  /** What came in, gzipped. */
  readonly raw: Uint8Array
  /** Of the unpacked text. */
  readonly hash: string
  /** Lines of the version list (see version-lines.ts), gzipped. */
  readonly versions: Uint8Array
  /** True when no URL would change for clients whose policy is `leave`. */
  readonly publicUrls: boolean
}

interface Packument {
  [key: string]: unknown
  'dist-tags'?: Record<string, string>
  versions?: Record<string, Manifest>
  time?: Record<string, string>
}

interface Manifest {
  [key: string]: unknown
  scripts?: Record<string, string>
  dist?: { tarball?: string; integrity?: string; shasum?: string; [key: string]: unknown }
}

// Level 6 takes twice as long for 4% less; the client is on the same machine.
const LEVEL = 4

/** @throws Error when the document is not a packument: never served, never stored */
export function processPackument(job: PackumentJob): PackumentResult {
  const text = job.gzipped ? gunzipSync(job.body, { maxOutputLength: job.maxBytes }) : job.body
  const document = parsePackument(text)
  const ingested = job.ingest ? ingest(job, text, document) : undefined
  if (job.form === undefined) return { variant: undefined, ingested }
  const output = job.abbreviate ? abbreviate(document) : document
  const changed = rewriteTarballs(output, job, job.form)
  const same = !changed && !job.abbreviate
  const variant = same ? undefined : gzipSync(JSON.stringify(output), { level: LEVEL })
  return { variant, ingested }
}

function rewriteTarballs(
  document: Packument,
  { name, registry, isPrivate }: PackumentJob,
  form: PackumentForm,
): boolean {
  let changed = false
  for (const [version, { dist }] of Object.entries(document.versions ?? {})) {
    if (typeof dist !== 'object' || dist === null) continue
    const before = typeof dist.tarball === 'string' ? dist.tarball : undefined
    const wanted = tarballUrl(before, { ...form, registry, isPrivate, name, version })
    if (wanted === dist.tarball) continue
    changed = true
    if (wanted === undefined) delete dist.tarball
    else dist.tarball = wanted
  }
  return changed
}

function ingest(job: PackumentJob, text: Uint8Array, document: Packument): IngestedPackument {
  const entries = Object.entries(document.versions ?? {})
  const lines = [JSON.stringify(document['dist-tags'] ?? {})]
  const { name, registry, isPrivate } = job
  let publicUrls = true
  for (const [version, manifest] of entries) {
    const { integrity, shasum, tarball } = manifest.dist ?? {}
    const left = tarballUrl(tarball, {
      policy: 'leave',
      base: '',
      registry,
      isPrivate,
      name,
      version,
    })
    publicUrls &&= left === tarball
    const signed = job.withSignatures === true ? packSignatures(manifest.dist?.signatures) : ''
    const proof = signed === '' ? [] : [signed]
    const fields = [version, integrity ?? '', shasum ?? '', ...proof, tarball ?? '']
    const clean = fields.every((field) => typeof field === 'string' && !/[\t\n\r]/.test(field))
    if (clean && isVersion(version)) lines.push(fields.join('\t'))
  }
  return {
    raw: job.gzipped && tellsLength(job.body, text) ? job.body : gzipSync(text, { level: LEVEL }),
    hash: createHash('sha256').update(text).digest('base64url').slice(0, 22),
    versions: gzipSync(`${lines.join('\n')}\n`, { level: 1 }),
    publicUrls,
  }
}

// The length of what is served unpacked is read off gzip's last bytes: they tell it only where one member is all there is.
function tellsLength(gzipped: Uint8Array, text: Uint8Array): boolean {
  const { buffer, byteOffset, byteLength } = gzipped
  return (
    new DataView(buffer, byteOffset, byteLength).getUint32(byteLength - 4, true) === text.length
  )
}

function parsePackument(text: Uint8Array): Packument {
  const document: unknown = JSON.parse(
    Buffer.from(text.buffer, text.byteOffset, text.byteLength).toString(),
  )
  if (!isRecord(document)) throw new Error('not a JSON object')
  const { versions } = document
  if (versions !== undefined && !isRecord(versions)) throw new Error('versions is not an object')
  for (const manifest of Object.values(versions ?? {})) {
    if (!isRecord(manifest)) throw new Error('a version is not an object')
  }
  return document
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

// What the abbreviated form keeps of a version, as npm's registry documents it.
const KEPT = [
  'name',
  'version',
  'deprecated',
  'dependencies',
  'optionalDependencies',
  'devDependencies',
  'bundleDependencies',
  'bundledDependencies',
  'peerDependencies',
  'peerDependenciesMeta',
  'acceptDependencies',
  'bin',
  'directories',
  'dist',
  'engines',
  'os',
  'cpu',
  'libc',
  'funding',
  'hasInstallScript',
  '_hasShrinkwrap',
] as const

/** The abbreviated form of a full document. `dist` objects are shared with it. */
function abbreviate(document: Packument): Packument {
  const versions: Record<string, Manifest> = {}
  for (const [version, manifest] of Object.entries(document.versions ?? {})) {
    const short: Record<string, unknown> = {}
    for (const key of KEPT) if (manifest[key] !== undefined) short[key] = manifest[key]
    const { preinstall, install, postinstall } = manifest.scripts ?? {}
    if (preinstall ?? install ?? postinstall) short.hasInstallScript = true
    versions[version] = short
  }
  return {
    name: document.name,
    modified: document.modified ?? document.time?.modified,
    'dist-tags': document['dist-tags'] ?? {},
    versions,
  }
}
