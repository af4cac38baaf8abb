/**
 * What of a package's metadata may go from peer to peer, and what of it is believed: versions whose name, number and bytes the
 * registry has signed with a key that this user has for it, in the short form that installing needs. Several documents are
 * united, so that no peer can hide a version which another one shows. What no signature covers (dependencies, bin, engines) is
 * one peer's word until the version's tarball is here (tarball-manifest.ts); tags and times are nobody's proof unless a quorum of
 * witnesses stands behind them.
 * Pure and slow: it runs in packument-worker.ts only, and so imports nothing of core.
 */
import { createPublicKey, verify, type KeyObject } from 'node:crypto'
import { gunzipSync, gzipSync } from 'node:zlib'
import semver from 'semver'
import type { TrustedKey } from '../../keys/trusted-keys.ts'
import { isVersion } from '../../http/route.ts'
import { tarballFile } from '../client-policy.ts'
import { runsOnInstall } from './compare-manifest.ts'
import { DOCUMENT_BOUNDS, exceededBound } from './json-bounds.ts'
import type { RefusedWord } from './refused-words.ts'
import { claimFields, VersionClaims } from './version-claims.ts'
import { hasItsType, KEPT } from './kept-fields.ts'
import {
  agreementOf,
  verdictOn,
  type WitnessedJob,
  type WitnessVerdict,
} from '../witness/verdict.ts'
import type { Agreement } from '../witness/quorum.ts'

export interface PeerDocument {
  /** Empty: this node itself. */
  readonly peer: string
  /** JSON, gzipped. */
  readonly body: Uint8Array
}

export interface SignedDocumentJob {
  readonly registry: string
  readonly name: string
  readonly keys: readonly TrustedKey[]
  /** The best peer's first. */
  readonly documents: readonly PeerDocument[]
  /** Bytes of one document, unpacked, at most. */
  readonly maxBytes: number
  /**
   * Peers' documents: a false signature, or a document beyond what may go from peer to peer, takes all of it along. false: a
   * registry's, of which such versions are left out.
   */
  readonly isStrict: boolean
  /** What is not believed of whom. */
  readonly refused?: readonly RefusedWord[]
  /** What witnesses say of it; undefined: none is asked. */
  readonly witnessed?: WitnessedJob | undefined
}

export interface SignedDocument {
  /** JSON, gzipped; undefined when no version has evidence. */
  readonly body: Uint8Array | undefined
  /** It says when versions were published. */
  readonly hasTimes: boolean
  /** For each document, what no honest peer would have sent; undefined: nothing. */
  readonly problems: readonly (string | undefined)[]
  /** undefined: no witness was asked. */
  readonly witness: WitnessVerdict | undefined
  /** Versions that a quorum of witnesses says are gone, with why. */
  readonly gone: ReadonlyMap<string, string>
}

type Json = Record<string, unknown>

/** Which of its tags and times are those that a quorum of witnesses has seen. */
export const WITNESSED_FIELD = '_witnessed'

const INTEGRITY = /^sha512-[A-Za-z0-9+/]{86}==$/
const MAX_SIGNATURES = 8
const MAX_TAGS = 1_000
const MAX_TAG_CHARS = 256
const LEVEL = 4

export function uniteDocuments(job: SignedDocumentJob): SignedDocument {
  const union = new DocumentUnion(job)
  const problems = job.documents.map((document) => {
    try {
      union.add(document)
      return undefined
    } catch (error) {
      return error instanceof Error ? error.message : String(error)
    }
  })
  return { ...union.result(), problems }
}

class DocumentUnion {
  readonly #job: SignedDocumentJob
  readonly #keys: ReadonlyMap<string, KeyObject>
  readonly #versions = new Map<string, VersionClaims>()
  readonly #refused: ReadonlySet<string>
  /** How many documents give a tag that value. */
  readonly #tags = new Map<string, Map<string, number>>()
  readonly #times = new Map<string, string>()
  readonly #verified = new Set<string>()
  readonly #agreement: Agreement | undefined

  constructor(job: SignedDocumentJob) {
    this.#job = job
    this.#refused = new Set(job.refused?.map(({ version, peer }) => `${version} ${peer}`))
    this.#agreement = job.witnessed && agreementOf(job.witnessed)
    this.#keys = new Map(
      job.keys.map(({ keyId, spki }) => [
        keyId,
        createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' }),
      ]),
    )
  }

  /** @throws Error that says what no honest peer would have sent; nothing of the document counts then */
  add({ peer, body }: PeerDocument): void {
    const { name, maxBytes, isStrict } = this.#job
    const text = gunzipSync(body, { maxOutputLength: maxBytes })
    const exceeded = isStrict ? exceededBound(text, DOCUMENT_BOUNDS) : undefined
    if (exceeded !== undefined) throw new Error(`its document has ${exceeded}`)
    const document: unknown = JSON.parse(text.toString())
    if (!isObject(document)) throw new Error('its document is not a JSON object')
    if (document.name !== name) throw new Error('its document is of another package')
    const versions = isObject(document.versions) ? Object.entries(document.versions) : []
    const signed = versions.flatMap(([version, manifest]) => {
      const kept = this.#signedManifest(version, manifest)
      return kept === undefined ? [] : [[version, kept] as const]
    })
    for (const [version, manifest] of signed) {
      if (this.#refused.has(`${version} ${peer}`)) continue
      const claims = this.#versions.get(version)
      if (claims === undefined) this.#versions.set(version, new VersionClaims({ manifest, peer }))
      else claims.add({ manifest, peer })
    }
    this.#addTags(document['dist-tags'])
    this.#addTimes(document)
  }

  result(): Omit<SignedDocument, 'problems'> {
    const gone = this.#agreement?.gone ?? new Map<string, string>()
    this.#dropDisagreeing()
    const witness = this.#verdict()
    if (this.#versions.size === 0) return { body: undefined, hasTimes: false, witness, gone }
    const versions = [...this.#versions]
    const time = witness?.hasTimes === true ? this.#witnessedTimes() : this.#keptTimes()
    const hasTimes = Object.keys(time).some((what) => this.#versions.has(what))
    const modified = this.#times.get('modified')
    const document = {
      name: this.#job.name,
      ...(modified !== undefined && { modified }),
      'dist-tags': witness?.tagsSeenAtMs === undefined ? this.#keptTags() : this.#witnessedTags(),
      versions: Object.fromEntries(versions.map(([version, { manifest }]) => [version, manifest])),
      ...(hasTimes && { time }),
      ...claimFields(this.#versions),
      ...(witness !== undefined && {
        [WITNESSED_FIELD]: { tags: witness.tagsSeenAtMs !== undefined, times: witness.hasTimes },
      }),
    }
    const text = Buffer.from(JSON.stringify(document))
    // Whoever gets more counts it as a lie.
    const isTooMuch = exceededBound(text, DOCUMENT_BOUNDS) !== undefined
    const body = isTooMuch ? undefined : gzipSync(text, { level: LEVEL })
    return { body, hasTimes, witness, gone }
  }

  #verdict(): WitnessVerdict | undefined {
    const { witnessed } = this.#job
    if (witnessed === undefined || this.#agreement === undefined) return undefined
    return verdictOn(this.#agreement, witnessed, (version) => this.#versions.has(version))
  }

  /** Where witnesses have seen other bytes than a signature is of, somebody lies. */
  #dropDisagreeing(): void {
    for (const [version, integrity] of this.#agreement?.versions ?? []) {
      const { dist } = this.#versions.get(version)?.manifest ?? {}
      if (isObject(dist) && dist.integrity !== integrity) this.#versions.delete(version)
    }
  }

  #witnessedTags(): Record<string, string> {
    const tags = [...(this.#agreement?.tags ?? [])]
    return Object.fromEntries(tags.filter(([, version]) => this.#versions.has(version)))
  }

  #witnessedTimes(): Record<string, string> {
    const times = [...(this.#agreement?.times ?? [])]
    const kept = times.filter(([version]) => this.#versions.has(version))
    return Object.fromEntries(kept.map(([version, ms]) => [version, new Date(ms).toISOString()]))
  }

  /** With nothing but what is known of it and what installing needs; undefined: it has no evidence. */
  #signedManifest(version: string, manifest: unknown): Json | undefined {
    const { name, registry } = this.#job
    if (!isVersion(version) || !isObject(manifest) || !isObject(manifest.dist)) return undefined
    if (manifest.name !== name || manifest.version !== version) return undefined
    const { integrity, signatures } = manifest.dist
    if (typeof integrity !== 'string' || !INTEGRITY.test(integrity)) return undefined
    const signature = this.#validSignature(`${name}@${version}:${integrity}`, signatures)
    if (signature === undefined) return undefined
    const kept: Json = { name, version }
    for (const field of KEPT) {
      // Of another type it would be compared as one thing, and read by a client as another.
      if (hasItsType(field, manifest[field])) kept[field] = manifest[field]
    }
    if (runsOnInstall(manifest.scripts)) kept.hasInstallScript = true
    // Where it lies is told by its name: an address of a peer's choice is none.
    const tarball = `${registry}${name}/-/${tarballFile(name, version)}`
    return { ...kept, dist: { integrity, signatures: [signature], tarball } }
  }

  /** The first one by a key that counts here. @throws Error where it is false, and that is an offence */
  #validSignature(text: string, signatures: unknown): { keyid: string; sig: string } | undefined {
    if (!Array.isArray(signatures)) return undefined
    for (const each of (signatures as unknown[]).slice(0, MAX_SIGNATURES)) {
      if (!isObject(each)) continue
      const { keyid, sig } = each
      if (typeof keyid !== 'string' || typeof sig !== 'string') continue
      const key = this.#keys.get(keyid)
      if (key === undefined) continue
      const seen = `${text} ${keyid} ${sig}`
      if (this.#verified.has(seen)) return { keyid, sig }
      if (verify('sha256', Buffer.from(text), key, Buffer.from(sig, 'base64'))) {
        this.#verified.add(seen)
        return { keyid, sig }
      }
      if (this.#job.isStrict) throw new Error(`its document has a false signature of ${text}`)
      return undefined
    }
    return undefined
  }

  #addTags(tags: unknown): void {
    if (!isObject(tags)) return
    for (const [tag, version] of Object.entries(tags).slice(0, MAX_TAGS)) {
      if (typeof version !== 'string' || tag.length > MAX_TAG_CHARS) continue
      const counts = this.#tags.get(tag) ?? new Map<string, number>()
      counts.set(version, (counts.get(version) ?? 0) + 1)
      this.#tags.set(tag, counts)
    }
  }

  /** Of what peers say, the latest: to make a version look older than it is, all of them have to lie. */
  #addTimes({ time, modified }: Json): void {
    const given = { ...(isObject(time) ? time : {}), ...(modified !== undefined && { modified }) }
    for (const [what, value] of Object.entries(given)) {
      if (typeof value !== 'string' || Number.isNaN(Date.parse(value))) continue
      const known = this.#times.get(what)
      const isLater = known === undefined || Date.parse(value) > Date.parse(known)
      if (isLater) this.#times.set(what, new Date(value).toISOString())
    }
  }

  #keptTimes(): Record<string, string> {
    const isKept = (what: string): boolean =>
      what === 'created' || what === 'modified' || this.#versions.has(what)
    return Object.fromEntries([...this.#times].filter(([what]) => isKept(what)))
  }

  /** What most documents say; only of versions that are kept. `latest` is always there: the clients' default. */
  #keptTags(): Record<string, string> {
    const kept: Record<string, string> = {}
    for (const [tag, counts] of this.#tags) {
      const [best] = [...counts].sort(([, a], [, b]) => b - a)
      if (best !== undefined && this.#versions.has(best[0])) kept[tag] = best[0]
    }
    const all = [...this.#versions.keys()].filter((version) => semver.valid(version) !== null)
    const [highest] = semver.rsort(all.filter((version) => semver.prerelease(version) === null))
    const latest = kept.latest ?? highest ?? semver.rsort(all)[0]
    return { ...kept, ...(latest !== undefined && { latest }) }
  }
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
