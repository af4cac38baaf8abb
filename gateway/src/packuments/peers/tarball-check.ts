/**
 * Tarballs of versions that only a peer has told of: before the last piece goes to a client, what the peer said of dependencies,
 * commands and platforms is compared with the tarball's own package.json, which the registry's signature covers. Where they
 * differ the client gets an error that names the field, the document is dropped, that word of the peer is not believed again, and
 * the peer penalized if it can only be a lie (refused-words.ts). Never holds up tarballs of packages of which only the registry
 * has told.
 */
import { LRUCache } from 'lru-cache'
import { CatalogError, type Artifact, type CatalogNode, type Logger } from '@catalog-p2p/core'
import type { CachedDocument } from '../cache/cached-document.ts'
import type { PackumentCache } from '../cache/packument-cache.ts'
import type { PackumentJobs } from '../worker/packument-jobs.ts'
import type { Registries } from '../../upstream/registries.ts'
import { findVersion } from '../document/version-lines.ts'
import type { TarballManifest } from './compare-manifest.ts'
import type { Compared, Difference } from './compare-version.ts'
import { dropDocument, type DroppedDocuments } from './dropped-documents.ts'
import { readAlong } from './read-along.ts'
import type { RefusedWords } from './refused-words.ts'
import type { TarballManifestReader } from './tarball-manifest.ts'

export interface TarballCheck {
  /**
   * The same artifact; its end comes only when it is what its metadata says.
   * @throws CatalogError PEER_MISBEHAVED, here or at the end of the body
   */
  checked(artifact: Artifact, version: NamedVersion): Promise<Artifact>
  /** Clients are told by the registry itself from now on: what was refused of the package is not any more. */
  forgive(name: string): void
}

export interface NamedVersion {
  readonly name: string
  readonly version: string | undefined
}

export interface TarballCheckDependencies {
  readonly node: Pick<CatalogNode, 'questions'>
  readonly registries: Registries
  readonly cache: PackumentCache
  readonly jobs: PackumentJobs
  readonly refusedWords: RefusedWords
  readonly dropped: DroppedDocuments
  readonly log: Logger
}

interface Subject {
  readonly document: CachedDocument
  /** Where the cache has it no more. */
  readonly body?: Buffer | undefined
  readonly name: string
  readonly version: string
}

/** Versions of which a peer has lied, until metadata that is true has been given out, or for so long. */
const MAX_REFUSED = 1_000
const REFUSED_MS = 3_600_000
/** For as long the registry's own metadata, where it came since, is no proof of what a client was told. */
const RECENT_MS = 3_600_000
/** Versions that have been compared; forgotten ones are compared once more. */
const MAX_COMPARED = 20_000

export function createTarballCheck(
  deps: TarballCheckDependencies,
  { maxBytes }: { readonly maxBytes: number },
): TarballCheck {
  const { registries, cache, dropped } = deps
  const compared = new LRUCache<string, true>({ maxSize: MAX_COMPARED, sizeCalculation: () => 1 })
  /** What a client was told of these was a lie: it may ask again, and still wants what it was told. */
  const refused = new LRUCache<string, CatalogError>({ max: MAX_REFUSED, ttl: REFUSED_MS })

  /** undefined: nothing is to be compared. */
  async function subjectOf({ name, version }: NamedVersion): Promise<Subject | undefined> {
    if (version === undefined) return undefined
    const key = { registry: registries.homeOf(name).url, name, owner: '' }
    const kept = cache.find(key, 'peers')
    const lie = refused.size > 0 ? refused.get(nameOf(name, version)) : undefined
    if (kept === undefined && lie !== undefined) throw lie
    // A client that was told more than the lie goes by the rest.
    const last = kept === undefined && dropped.size > 0 ? dropped.get(name) : undefined
    const document = kept ?? (last?.document.registry === key.registry ? last.document : undefined)
    if (document === undefined || compared.has(keyOf(document, version))) return undefined
    // A client that was told something by peers a moment ago installs that, whatever the registry has said since.
    const isRecent = Date.now() - document.confirmedAtMs < RECENT_MS
    const isOwn = !isRecent && (await lists(cache, cache.find(key), version))
    return isOwn ? undefined : { document, body: last?.body, name, version }
  }

  async function finish(reader: TarballManifestReader, subject: Subject): Promise<void> {
    const { document, name, version } = subject
    const tarball = await reader.end().catch(async (cause: unknown) => {
      if (subject.body === undefined) await dropDocument(deps, document)
      throw new CatalogError('PEER_MISBEHAVED', `${name}@${version}: its tarball can't be read`, {
        cause,
      })
    })
    const outcome = await compare(deps, { maxBytes }, { subject, tarball })
    const before = refused.get(nameOf(name, version))
    // Without that version now: the client goes by what it was told before.
    if (!outcome.isKnown && before !== undefined) throw before
    const { difference } = outcome
    if (difference === undefined) {
      refused.delete(nameOf(name, version))
      return void compared.set(keyOf(document, version), true)
    }
    const isDisputed =
      difference.isDisputed || (await registryAgrees(deps, { maxBytes }, { subject, tarball }))
    const lie = await refuse(deps, subject, { ...difference, isDisputed })
    refused.set(nameOf(name, version), lie)
    throw lie
  }

  return {
    forgive(name) {
      dropped.delete(name)
      if (refused.size === 0) return
      for (const key of refused.keys()) if (key.startsWith(`${name}@`)) refused.delete(key)
    },
    async checked(artifact, named) {
      const subject = await subjectOf(named)
      if (subject === undefined) return artifact
      return await readAlong(artifact, (reader) => finish(reader, subject))
    },
  }
}

async function lists(
  { bodies }: PackumentCache,
  document: CachedDocument | undefined,
  version: string,
): Promise<boolean> {
  if (document === undefined) return false
  const lines = await bodies.readUnpacked({
    ...{ document: document.id, hash: document.hash, part: 'versions' },
  })
  return lines !== undefined && findVersion(lines, version) !== undefined
}

/** @throws CatalogError PEER_MISBEHAVED when what the client was told is not there any more */
async function compare(
  { cache, jobs }: TarballCheckDependencies,
  { maxBytes }: { readonly maxBytes: number },
  { subject, tarball }: { readonly subject: Subject; readonly tarball: TarballManifest },
): Promise<Compared> {
  const { document, name, version } = subject
  const { id, hash, registry } = document
  const body = subject.body ?? (await cache.bodies.read({ document: id, hash, part: 'raw' }))
  // Gone meanwhile: what the client was told can't be compared any more.
  if (body === undefined) {
    const what = `${name}@${version}: its metadata has been dropped`
    throw new CatalogError('PEER_MISBEHAVED', what, { hint: 'install again' })
  }
  const about = { registry, name, isPrivate: false, form: undefined, abbreviate: false }
  const job = { ...about, body, codings: ['gzip'] as const, maxBytes, ingest: false }
  const { isKnown = false, difference } = await jobs.run({ ...job, compare: { version, tarball } })
  return { isKnown, ...(difference && { difference }) }
}

/** Whether the registry itself says what the package says: then the peer has not passed on the registry's word. */
async function registryAgrees(
  deps: TarballCheckDependencies,
  limits: { readonly maxBytes: number },
  { subject, tarball }: { readonly subject: Subject; readonly tarball: TarballManifest },
): Promise<boolean> {
  const document = deps.cache.find({ ...subject.document, owner: '' })
  if (document === undefined) return false
  const about = { subject: { ...subject, document, body: undefined }, tarball }
  const outcome = await compare(deps, limits, about).catch(() => undefined) // gone meanwhile
  return outcome?.isKnown === true && outcome.difference === undefined
}

async function refuse(
  deps: TarballCheckDependencies,
  { document, body, name, version }: Subject,
  { field, peer, isDisputed }: Difference,
): Promise<CatalogError> {
  const { node, refusedWords, log } = deps
  const what = `${name}@${version}: metadata from a peer differs from the package itself in: ${field}`
  if (body === undefined) await dropDocument(deps, document)
  const isLie = peer !== '' && refusedWords.add(name, { version, peer, isDisputed })
  log.warn('packuments.lie', { name, version, field, peer, isProven: isLie })
  if (isLie) node.questions.penalize(peer, what)
  return new CatalogError('PEER_MISBEHAVED', what, {
    ...{ name, version, field, peer },
    hint: 'that metadata is dropped and not believed again: install again, without what a lockfile has noted of it',
  })
}

function nameOf(name: string, version: string): string {
  return `${name}@${version}`
}

function keyOf({ id, hash }: CachedDocument, version: string): string {
  return `${id} ${hash} ${version}`
}
