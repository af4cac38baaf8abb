/**
 * What of a package's metadata may go from peer to peer, and what of it is believed: versions whose name, number and bytes the
 * registry has signed with a key that this user has for it, in the short form that installing needs. Several documents are
 * united, so that no peer can hide a version which another one shows. Of peers' documents the signatures of what a tag or a range can
 * pick are verified here, all others when they are used (peer-evidence.ts). What no signature covers (dependencies, bin, engines) is
 * one peer's word until the version's tarball is here (tarball-manifest.ts); tags and times are nobody's proof unless a quorum of
 * witnesses stands behind them.
 * Pure and slow: it runs in packument-worker.ts only, and so imports nothing of core.
 */
import { gzipSync } from 'node:zlib'
import semver from 'semver'
import { isObject } from '../../is-object.ts'
import { keyObjectsOf, type TrustedKey } from '../../keys/trusted-keys.ts'
import { DOCUMENT_BOUNDS, exceededBound } from './json-bounds.ts'
import { pickableVersions } from './pickable-versions.ts'
import { readDocument, type PeerDocument, type ReadDocument } from './read-document.ts'
import type { RefusedWord } from './refused-words.ts'
import { isSigned, type KeysById, type SignedManifest } from './signed-manifest.ts'
import { claimFields, VersionClaims } from './version-claims.ts'
import {
  agreementOf,
  verdictOn,
  type WitnessedJob,
  type WitnessVerdict,
} from '../witness/verdict.ts'
import type { Agreement } from '../witness/quorum.ts'

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
   * registry's, of which all signatures are verified, and versions with a false one are left out.
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

/** Which of its tags and times are those that a quorum of witnesses has seen. */
export const WITNESSED_FIELD = '_witnessed'

const LEVEL = 4

export function uniteDocuments(job: SignedDocumentJob): SignedDocument {
  const keys = keyObjectsOf(job.keys)
  const read = job.documents.map((document) => tried(() => readDocument(job, keys, document)))
  const good = read.filter((each) => typeof each !== 'string')
  const union = new DocumentUnion(job, keys, toVerify(good))
  const problems = read.map((each) =>
    typeof each === 'string' ? each : tried(() => union.add(each)),
  )
  return { ...union.result(), problems }
}

/** What went wrong. */
function tried<T>(act: () => T): T | string {
  try {
    return act()
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** What tags and ranges can pick of each document, and all of which two of them say different things: one of these is a lie. */
function toVerify(documents: readonly ReadDocument[]): ReadonlySet<string> {
  const tagged = new Set(documents.flatMap(({ tags }) => [...tags.values()]))
  const said = new Map<string, string>()
  const found = new Set<string>()
  for (const { versions } of documents) {
    for (const each of pickableVersions(
      versions.map(({ version }) => version),
      tagged,
    )) {
      found.add(each)
    }
    for (const { version, integrity, signature } of versions) {
      const evidence = [integrity, signature.keyid, signature.sig].join(' ')
      const known = said.get(version)
      if (known === undefined) said.set(version, evidence)
      else if (known !== evidence) found.add(version)
    }
  }
  return found
}

class DocumentUnion {
  readonly #job: SignedDocumentJob
  readonly #keys: KeysById
  readonly #toVerify: ReadonlySet<string>
  readonly #versions = new Map<string, VersionClaims>()
  readonly #refused: ReadonlySet<string>
  /** How many documents give a tag that value. */
  readonly #tags = new Map<string, Map<string, number>>()
  readonly #times = new Map<string, string>()
  readonly #agreement: Agreement | undefined

  constructor(job: SignedDocumentJob, keys: KeysById, toVerify: ReadonlySet<string>) {
    this.#job = job
    this.#keys = keys
    this.#toVerify = toVerify
    this.#refused = new Set(job.refused?.map(({ version, peer }) => `${version} ${peer}`))
    this.#agreement = job.witnessed && agreementOf(job.witnessed)
  }

  /** @throws Error that says what no honest peer would have sent; nothing of the document counts then */
  add({ peer, versions, tags, times }: ReadDocument): undefined {
    const believed = versions.filter((each) => this.#isBelieved(each))
    for (const { version, manifest } of believed) {
      if (this.#refused.has(`${version} ${peer}`)) continue
      const claims = this.#versions.get(version)
      if (claims === undefined) this.#versions.set(version, new VersionClaims({ manifest, peer }))
      else claims.add({ manifest, peer })
    }
    for (const [tag, version] of tags) this.#addTag(tag, version)
    for (const [what, time] of times) this.#addTime(what, time)
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

  /** @throws Error where its signature is false, and that is an offence */
  #isBelieved(each: SignedManifest): boolean {
    const { name, isStrict } = this.#job
    const { version, integrity } = each
    if (isStrict && !this.#toVerify.has(version)) return true
    if (isSigned(this.#keys, name, each)) return true
    if (!isStrict) return false
    throw new Error(`its document has a false signature of ${name}@${version}:${integrity}`)
  }

  #addTag(tag: string, version: string): void {
    const counts = this.#tags.get(tag) ?? new Map<string, number>()
    counts.set(version, (counts.get(version) ?? 0) + 1)
    this.#tags.set(tag, counts)
  }

  /** Of what peers say, the latest: to make a version look older than it is, all of them have to lie. */
  #addTime(what: string, time: string): void {
    const known = this.#times.get(what)
    if (known === undefined || Date.parse(time) > Date.parse(known)) this.#times.set(what, time)
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
