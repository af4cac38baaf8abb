/** The forms in which a document is served: each made once, in a worker, and kept as bytes. */
import type { BodyKey } from './cache/body-disk.ts'
import { variantName } from './client-policy.ts'
import { isCatalogError, type Logger } from '@catalog-p2p/core'
import type { CachedDocument, PackumentKind } from './cache/cached-document.ts'
import type { PackumentCache } from './cache/packument-cache.ts'
import type { PackumentForm } from './document/packument-document.ts'
import { MAX_DEATHS, WorkerDied, type PackumentJobs } from './worker/packument-jobs.ts'
import type { PackumentAnswer } from './packument-request.ts'
import type { PeerEvidence } from './peers/peer-evidence.ts'
import { UnreadablePackument, type PoisonDocuments } from './worker/poison-documents.ts'
import type { LeftOut, VersionJudgements } from './version-judgements.ts'
import { createSingleFlight } from '../single-flight.ts'

export interface PackumentVariant {
  /** Gzipped JSON. */
  readonly body: Buffer
  /** Tells this form from all others of this and any document; without quotes. */
  readonly tag: string
  readonly kind: PackumentKind
  /** The guard denies other versions from then on; Unix time, milliseconds. */
  readonly untilMs: number
}

export interface VariantRequest {
  readonly name: string
  readonly kind: PackumentKind
  readonly form: PackumentForm
  readonly signal: AbortSignal
}

export interface PackumentVariants {
  /**
   * The bytes to send; undefined when the cache lost them (the caller gets the document anew). With the versions of `beside` that
   * the document lacks.
   * @throws UnreadablePackument when the document kills the workers that read it; CatalogError DENIED when the guard leaves nothing
   */
  variant(
    request: VariantRequest,
    answer: Pick<PackumentAnswer, 'document' | 'beside'>,
  ): Promise<PackumentVariant | undefined>
}

export interface VariantDependencies {
  readonly cache: PackumentCache
  readonly jobs: PackumentJobs
  readonly poison: PoisonDocuments
  readonly judgements: VersionJudgements
  readonly evidence: Pick<PeerEvidence, 'isAllSigned'>
  readonly log: Logger
}

/** What there is to make. */
interface Plan {
  readonly part: string
  /** Abbreviated from a full document. */
  readonly derived: boolean
  /** Versions that it must not have. */
  readonly leaveOut: readonly string[]
  readonly beside: Beside | undefined
}

/** What peers have said of versions that the registry's document lacks. */
interface Beside {
  readonly document: CachedDocument
  readonly leftOut: LeftOut
}

export function createPackumentVariants(
  deps: VariantDependencies,
  { maxBytes }: { maxBytes: number },
): PackumentVariants {
  const { cache, jobs, poison, log } = deps
  const making = createSingleFlight<Buffer | undefined>()

  async function make(
    { name, form }: VariantRequest,
    document: CachedDocument,
    { part, derived, leaveOut, beside }: Plan,
  ): Promise<Buffer | undefined> {
    const { registry, owner } = document
    const key = keyOf(document, part)
    if (poison.has(key)) throw new UnreadablePackument(name, {})
    const raw = await cache.bodies.read(bodyOf(document))
    if (raw === undefined) return undefined
    const more = beside && (await cache.bodies.read(bodyOf(beside.document)))
    const about = { registry, isPrivate: owner !== '', name }
    const job = { body: raw, codings: ['gzip'] as const, maxBytes, ...about, form }
    const { variant } = await jobs
      .run({ ...job, abbreviate: derived, leaveOut, beside: more, ingest: false })
      .catch((error: unknown) => {
        if (!(error instanceof WorkerDied)) throw error
        log.warn('packument.unreadable', { name, registry, error })
        if (error.deaths >= MAX_DEATHS) poison.remember(key)
        throw new UnreadablePackument(name, { cause: error })
      })
    if (variant === undefined) return raw
    // What is a peer's is not kept among what is the registry's.
    const isKept = form.isKept && beside === undefined
    await cache.saveForm(document, { part, gzipped: variant, isKept })
    return Buffer.from(variant.buffer, variant.byteOffset, variant.byteLength)
  }

  async function besideOf(document: CachedDocument): Promise<Beside | undefined> {
    try {
      const leftOut = await leftOutOf(deps, document)
      return leftOut && { document, leftOut }
    } catch (error) {
      if (isCatalogError(error, 'DENIED')) return undefined // all that it has
      throw error
    }
  }

  return {
    async variant(request, { document, beside: told }) {
      const { form, kind, signal } = request
      const derived = kind === 'abbreviated' && document.kind === 'full'
      const { policy } = form
      const leftOut = await leftOutOf(deps, document)
      if (leftOut === undefined) return undefined
      const beside = told && (await besideOf(told))
      const { leaveOut, tag } = without(leftOut, beside)
      const untilMs = Math.min(leftOut.untilMs, beside?.leftOut.untilMs ?? Infinity)
      const keepsUrls = policy === 'verbatim' || (policy === 'leave' && document.publicUrls)
      const untouched = keepsUrls && leaveOut.length === 0 && beside === undefined
      const name = variantName(form, derived)
      const part = !derived && untouched ? 'raw' : tag === '' ? name : `${name}-${tag}`
      const read = (what: string): Promise<Buffer | undefined> =>
        cache.bodies.read({ document: document.id, hash: document.hash, part: what })
      const served = derived ? kind : document.kind
      const kept = await read(part)
      const facts = { kind: served, untilMs }
      if (kept !== undefined || part === 'raw') return variantOf(document, part, facts, kept)
      const work = (): Promise<Buffer | undefined> =>
        make(request, document, { part, derived, leaveOut, beside })
      try {
        const made = await making.run(keyOf(document, part), work, signal)
        return variantOf(document, part, facts, made)
      } catch (error) {
        // It would only have been shorter.
        if (!(error instanceof UnreadablePackument) || !untouched) throw error
        return variantOf(document, 'raw', { kind: document.kind, untilMs }, await read('raw'))
      }
    },
  }
}

/** undefined when the document is not there any more, or was no honest peer's. @throws CatalogError DENIED */
async function leftOutOf(
  { judgements, evidence }: VariantDependencies,
  document: CachedDocument,
): Promise<LeftOut | undefined> {
  const leftOut = await judgements.leftOut(document)
  if (leftOut === undefined || leftOut.versions.length === 0) return leftOut
  return (await evidence.isAllSigned(document)) ? leftOut : undefined
}

/** `tag` tells this form from those without other versions. */
function without(
  leftOut: LeftOut,
  beside: Beside | undefined,
): { readonly leaveOut: readonly string[]; readonly tag: string } {
  if (beside === undefined) return { leaveOut: leftOut.versions, tag: leftOut.tag }
  const tags = [leftOut.tag, beside.document.hash, beside.leftOut.tag]
  const leaveOut = [...leftOut.versions, ...beside.leftOut.versions]
  return { leaveOut, tag: tags.filter(Boolean).join('-') }
}

function variantOf(
  { hash }: CachedDocument,
  part: string,
  facts: Pick<PackumentVariant, 'kind' | 'untilMs'>,
  body: Buffer | undefined,
): PackumentVariant | undefined {
  return body && { body, tag: `${hash}-${part}`, ...facts }
}

function bodyOf({ id, hash }: CachedDocument): BodyKey {
  return { document: id, hash, part: 'raw' }
}

function keyOf({ id, hash }: CachedDocument, part: string): string {
  return [id, hash, part].join('\n')
}
