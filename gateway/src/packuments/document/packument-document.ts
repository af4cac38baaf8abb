/**
 * All that is ever done to the text of a packument, in one pass: check, rewrite tarball URLs, abbreviate, list versions,
 * compress. Pure and slow on big documents, so it runs in packument-worker.ts only, never on the main thread.
 * It imports nothing of core, because a worker started from source cannot resolve it.
 */
import { createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { isObject } from '../../is-object.ts'
import { abbreviate } from './abbreviate.ts'
import { parsePackument, type Manifest, type Packument } from './packument-json.ts'
import { tarballUrl, type VariantForm } from '../client-policy.ts'
import { isVersion } from '../../http/route.ts'
import type { TrustedKey } from '../../keys/trusted-keys.ts'
import { compareVersion, type Difference, type VersionToCompare } from '../peers/compare-version.ts'
import { unsignedWords, type UnsignedWord } from '../peers/examine-document.ts'
import {
  WITNESSED_FIELD,
  uniteDocuments,
  type SignedDocument,
  type SignedDocumentJob,
} from '../peers/signed-document.ts'
import { summaryOf, type PackageSummary } from './package-summary.ts'
import {
  checkBounds,
  refusalOfMembers,
  type MemberRefusal,
} from '../members/check-member-document.ts'
import { dependenciesOf } from './latest-dependencies.ts'
import { addVersions } from './add-versions.ts'
import { dropBrokenVersions } from './broken-versions.ts'
import { leaveOutVersions } from './leave-out-versions.ts'
import {
  compareVersions,
  modifiedAt,
  type DocumentBefore,
  type VersionChanges,
} from './version-changes.ts'
import { packOrigin, packSignatures } from './version-lines.ts'
import { packList } from '../witness/witnessed-list.ts'
import { decodeBody, type ContentCoding } from '../../upstream/content-coding.ts'

export interface PackumentForm extends VariantForm {
  /** It may be kept on disk: one of the few forms that this gateway's own names need. */
  readonly isKept: boolean
}

export interface PackumentJob {
  readonly body: Uint8Array
  /** Of the body, in the order in which they were applied. */
  readonly codings: readonly ContentCoding[]
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
  /** Versions that the form must not have. */
  readonly leaveOut?: readonly string[]
  /** What peers have said, gzipped: its versions that the document lacks are added. */
  readonly beside?: Uint8Array | undefined
  /** Fresh from upstream: hash it and list its versions as well. `body` is then the worker's, and comes back as `raw`. */
  readonly ingest: boolean
  /** Makes this of it, and of what peers sent, instead of all else. */
  readonly signedOnly?: SignedDocumentJob
  /** Gives this version, or what this tag names, instead of all else. */
  readonly pick?: string
  /** Makes the list of it that a witness signs, with these versions as gone, instead of all else. */
  readonly witness?: { readonly gone: Readonly<Record<string, string>> }
  /** What is to be noted of the change since the document before it. */
  readonly before?: DocumentBefore | undefined
  /** Compares what it says of a version with that version's tarball, instead of all else. */
  readonly compare?: VersionToCompare
  /** A machine of our certified swarm gave it: what it must be to be taken in, with these keys of its registry. */
  readonly ofMember?: readonly TrustedKey[] | undefined
  /** Made of peers' words: verifies all of its signatures with these keys, instead of all else. */
  readonly examine?: readonly TrustedKey[]
}

export interface PackumentResult {
  /** The document with this job's tarball URLs, gzipped; undefined when it is what came in, byte for byte. */
  readonly variant: Uint8Array | undefined
  readonly ingested: IngestedPackument | undefined
  readonly signed?: SignedDocument
  /** JSON; undefined: it has none. */
  readonly picked?: string | undefined
  /** For a witness to sign; undefined: it is too large. */
  readonly list?: Uint8Array | undefined
  /** Where a version's tarball says something else than the document. */
  readonly difference?: Difference | undefined
  /** Of a comparison: the document says something of that version. */
  readonly isKnown?: boolean
  /** Why what a machine of our certified swarm gave is not taken in. */
  readonly refused?: MemberRefusal | undefined
  /** Of an examination: what the registry has not signed, a version for each peer. */
  readonly unsigned?: readonly UnsignedWord[]
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
  /** Versions left out of `raw` and of all that is made of it, because nothing can be done with them; some of them when many. */
  readonly dropped: readonly string[]
  /** For searches; undefined: nothing can be installed of it. */
  readonly summary: PackageSummary | undefined
  /** When it says that the package was changed last; Unix time, milliseconds. */
  readonly modifiedAtMs: number | undefined
  /** Since the document before it. */
  readonly changes: VersionChanges
  /** Packages of a registry that its latest version depends on; some of them when many. */
  readonly dependencies: readonly string[]
}

// Level 4 takes twice as long for a sixth less, and the client is on the same machine.
const LEVEL = 3
/** A line of six fields that a reader will find six fields in. */
const CLEAN_LINE = /^[^\t\n\r]*(?:\t[^\t\n\r]*){5}$/
/** Of versions that were dropped. */
const MAX_NAMED = 20

/** @throws Error when the document is not a packument: never served, never stored */
export function processPackument(job: PackumentJob): PackumentResult {
  if (job.signedOnly !== undefined) {
    return { variant: undefined, ingested: undefined, signed: uniteDocuments(job.signedOnly) }
  }
  const text = decodeBody(job.body, job.codings, job.maxBytes)
  if (job.ofMember !== undefined) checkBounds(text)
  const document = parsePackument(text)
  const refused = job.ofMember && refusalOfMembers(document, job, job.ofMember)
  if (refused !== undefined) return { variant: undefined, ingested: undefined, refused }
  if (job.compare !== undefined) {
    return { variant: undefined, ingested: undefined, ...compareVersion(document, job.compare) }
  }
  if (job.examine !== undefined) {
    const unsigned = unsignedWords(document, job, job.examine)
    return { variant: undefined, ingested: undefined, unsigned }
  }
  if (job.witness !== undefined) {
    return { variant: undefined, ingested: undefined, list: packList(document, job.witness.gone) }
  }
  const changes = compareVersions(document, job.before)
  const dropped = dropBrokenVersions(document)
  if (job.pick !== undefined) {
    return { variant: undefined, ingested: undefined, picked: pick(document, job.pick) }
  }
  // Listed once for all that is done to them: with tens of thousands that takes a third as long as parsing.
  const entries = Object.entries(document.versions ?? {})
  const parsed = { text, document, entries, dropped, changes }
  const ingested = job.ingest ? ingest(job, parsed) : undefined
  if (job.form === undefined) return { variant: undefined, ingested }
  const isLess = leaveOutVersions(document, job.leaveOut ?? [])
  const isMore = job.beside !== undefined && addBeside(document, job.beside, job)
  const output = job.abbreviate ? abbreviate(document) : document
  const all = isMore ? Object.entries(document.versions ?? {}) : entries
  const changed = rewriteTarballs(all, job, job.form)
  const isSame = !changed && !job.abbreviate && !isLess && !isMore
  return { variant: isSame ? undefined : compress(JSON.stringify(output)), ingested }
}

function pick({ versions = {}, 'dist-tags': tags = {} }: Packument, spec: string) {
  const tagged = Object.hasOwn(tags, spec) ? tags[spec] : undefined
  const version = Object.hasOwn(versions, spec) ? spec : (tagged ?? '')
  return Object.hasOwn(versions, version) ? JSON.stringify(versions[version]) : undefined
}

function compress(text: string | Uint8Array): Uint8Array {
  return gzipSync(text, { level: LEVEL })
}

type Versions = readonly (readonly [version: string, manifest: Manifest])[]

/** In the objects that the abbreviated form shares with the full document. */
function rewriteTarballs(
  versions: Versions,
  { name, registry, isPrivate }: PackumentJob,
  form: PackumentForm,
): boolean {
  let changed = false
  for (const [version, { dist }] of versions) {
    if (dist === undefined) continue
    const wanted = tarballUrl(dist.tarball, { ...form, registry, isPrivate, name, version })
    if (wanted === dist.tarball) continue
    changed = true
    if (wanted === undefined) delete dist.tarball
    else dist.tarball = wanted
  }
  return changed
}

interface Parsed {
  readonly text: Uint8Array
  readonly document: Packument
  readonly entries: Versions
  readonly dropped: readonly string[]
  readonly changes: VersionChanges
}

function ingest(job: PackumentJob, parsed: Parsed): IngestedPackument {
  const { text, document, entries, dropped, changes } = parsed
  const originOf = originsIn(document)
  const lines = [JSON.stringify(document['dist-tags'] ?? {})]
  const { name, registry, isPrivate } = job
  let publicUrls = true
  for (const [version, { dist = {} }] of entries) {
    const { tarball } = dist
    const context = { policy: 'leave', base: '', registry, isPrivate, name, version } as const
    publicUrls &&= tarballUrl(tarball, context) === tarball
    const hashes = `${integrityText(dist.integrity)}\t${hexText(dist.shasum)}`
    const signed = job.withSignatures === true ? packSignatures(dist.signatures) : ''
    const line = `${version}\t${hashes}\t${signed}\t${originOf(version, dist)}\t${tarball ?? ''}`
    if (isVersion(version) && CLEAN_LINE.test(line)) lines.push(line)
  }
  return {
    raw: rawOf(job, parsed),
    hash: createHash('sha256').update(text).digest('base64url').slice(0, 22),
    versions: gzipSync(`${lines.join('\n')}\n`, { level: 1 }),
    publicUrls,
    dropped: dropped.slice(0, MAX_NAMED),
    summary: summaryOf(document),
    modifiedAtMs: modifiedAt(document),
    changes,
    dependencies: dependenciesOf(document),
  }
}

function originsIn(
  document: Packument,
): (version: string, dist: NonNullable<Manifest['dist']>) => string {
  const { time, _peers: peers, [WITNESSED_FIELD]: witnessed } = document
  // What peers say of a time is nobody's word: no rule may rest on it, unless witnesses have seen it.
  const isProven = peers === undefined || (isObject(witnessed) && witnessed.times === true)
  const times = isObject(time) && isProven ? time : undefined
  return (version, dist) => {
    const text: unknown = times?.[version]
    const publishedAtMs = typeof text === 'string' ? Date.parse(text) : NaN
    return packOrigin({
      publishedAtMs: Number.isFinite(publishedAtMs) ? publishedAtMs : undefined,
      hasProvenance: isObject(dist.attestations) && isObject(dist.attestations.provenance),
      isSigned: Array.isArray(dist.signatures) && dist.signatures.length > 0,
    })
  }
}

/** One line, though some registries write a list. */
function integrityText(integrity: unknown): string {
  if (typeof integrity === 'string' && !/\s/.test(integrity)) return integrity
  const parts = (Array.isArray(integrity) ? integrity : [integrity]) as unknown[]
  const texts = parts.filter((part) => typeof part === 'string')
  return texts.join(' ').replace(/\s+/g, ' ').trim()
}

function hexText(shasum: unknown): string {
  return typeof shasum === 'string' ? shasum.trim() : ''
}

/** What came in, gzipped, without the versions that were dropped. */
function rawOf(job: PackumentJob, { text, document, dropped }: Parsed): Uint8Array {
  if (dropped.length > 0) return compress(JSON.stringify(document))
  const isGzip = job.codings.length === 1 && job.codings[0] === 'gzip'
  return isGzip && tellsLength(job.body, text) ? job.body : compress(text)
}

// The length of what is served unpacked is read off gzip's last bytes: they tell it only where one member is all there is.
function tellsLength(gzipped: Uint8Array, text: Uint8Array): boolean {
  const { buffer, byteOffset, byteLength } = gzipped
  return (
    new DataView(buffer, byteOffset, byteLength).getUint32(byteLength - 4, true) === text.length
  )
}

function addBeside(
  document: Packument,
  body: Uint8Array,
  { maxBytes, leaveOut = [] }: PackumentJob,
): boolean {
  const told = parsePackument(decodeBody(body, ['gzip'], maxBytes))
  dropBrokenVersions(told)
  leaveOutVersions(told, leaveOut)
  const witnessed = told[WITNESSED_FIELD]
  return addVersions(document, told, { hasTags: isObject(witnessed) && witnessed.tags === true })
}
