/** The forms in which a document is served: each made once, in a worker, and kept as bytes. */
import type { Logger } from '@catalog-p2p/core'
import { variantName } from './client-policy.ts'
import type { CachedDocument, PackumentKind } from './cached-document.ts'
import type { PackumentCache } from './packument-cache.ts'
import type { PackumentForm } from './packument-document.ts'
import { MAX_DEATHS, WorkerDied, type PackumentJobs } from './packument-jobs.ts'
import { UnreadablePackument, type PoisonDocuments } from './poison-documents.ts'
import type { VersionJudgements } from './version-judgements.ts'
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
   * The bytes to send; undefined when the cache lost them (the caller gets the document anew).
   * @throws UnreadablePackument when the document kills the workers that read it; CatalogError DENIED when the guard leaves nothing
   */
  variant(request: VariantRequest, document: CachedDocument): Promise<PackumentVariant | undefined>
}

export interface VariantDependencies {
  readonly cache: PackumentCache
  readonly jobs: PackumentJobs
  readonly poison: PoisonDocuments
  readonly judgements: VersionJudgements
  readonly log: Logger
}

/** What there is to make. */
interface Plan {
  readonly part: string
  /** Abbreviated from a full document. */
  readonly derived: boolean
  /** Versions that it must not have. */
  readonly leaveOut: readonly string[]
}

export function createPackumentVariants(
  deps: VariantDependencies,
  { maxBytes }: { maxBytes: number },
): PackumentVariants {
  const { cache, jobs, poison, judgements, log } = deps
  const making = createSingleFlight<Buffer | undefined>()

  async function make(
    { name, form }: VariantRequest,
    document: CachedDocument,
    { part, derived, leaveOut }: Plan,
  ): Promise<Buffer | undefined> {
    const { id, hash, registry, owner } = document
    const key = keyOf(document, part)
    if (poison.has(key)) throw new UnreadablePackument(name, {})
    const raw = await cache.bodies.read({ document: id, hash, part: 'raw' })
    if (raw === undefined) return undefined
    const about = { registry, isPrivate: owner !== '', name }
    const job = { body: raw, codings: ['gzip'] as const, maxBytes, ...about, form }
    const { variant } = await jobs
      .run({ ...job, abbreviate: derived, leaveOut, ingest: false })
      .catch((error: unknown) => {
        if (!(error instanceof WorkerDied)) throw error
        log.warn('packument.unreadable', { name, registry, error })
        if (error.deaths >= MAX_DEATHS) poison.remember(key)
        throw new UnreadablePackument(name, { cause: error })
      })
    if (variant === undefined) return raw
    await cache.saveForm(document, { part, gzipped: variant, isKept: form.isKept })
    return Buffer.from(variant.buffer, variant.byteOffset, variant.byteLength)
  }

  return {
    async variant(request, document) {
      const { form, kind, signal } = request
      const derived = kind === 'abbreviated' && document.kind === 'full'
      const { policy } = form
      const leftOut = await judgements.leftOut(document)
      if (leftOut === undefined) return undefined
      const { versions: leaveOut, tag, untilMs } = leftOut
      const keepsUrls = policy === 'verbatim' || (policy === 'leave' && document.publicUrls)
      const untouched = keepsUrls && leaveOut.length === 0
      const name = variantName(form, derived)
      const part = !derived && untouched ? 'raw' : tag === '' ? name : `${name}-${tag}`
      const read = (what: string): Promise<Buffer | undefined> =>
        cache.bodies.read({ document: document.id, hash: document.hash, part: what })
      const served = derived ? kind : document.kind
      const kept = await read(part)
      const facts = { kind: served, untilMs }
      if (kept !== undefined || part === 'raw') return variantOf(document, part, facts, kept)
      const work = (): Promise<Buffer | undefined> =>
        make(request, document, { part, derived, leaveOut })
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

function variantOf(
  { hash }: CachedDocument,
  part: string,
  facts: Pick<PackumentVariant, 'kind' | 'untilMs'>,
  body: Buffer | undefined,
): PackumentVariant | undefined {
  return body && { body, tag: `${hash}-${part}`, ...facts }
}

function keyOf({ id, hash }: CachedDocument, part: string): string {
  return [id, hash, part].join('\n')
}
