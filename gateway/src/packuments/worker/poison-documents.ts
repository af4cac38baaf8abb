/**
 * Documents that kill the worker which reads them. Each is left alone for a while: clients that take a document untouched get it
 * as upstream sent it, all others an error that names the package.
 */
import { LRUCache } from 'lru-cache'
import { CatalogError } from '@catalog-p2p/core'
import type { TarballPolicy } from '../client-policy.ts'
import type { PackumentKind } from '../cache/cached-document.ts'
import { WorkerDied } from './packument-jobs.ts'

/** As upstream sent it; nobody has looked into it. */
export interface RawDocument {
  readonly body: Buffer
  readonly gzipped: boolean
  readonly kind: PackumentKind
}

/** The class, for `instanceof`: it never leaves the gateway. */
export class UnreadablePackument extends CatalogError {
  // Private, so that no log prints megabytes.
  readonly #document: RawDocument | undefined

  constructor(name: string, { cause, document }: { cause?: unknown; document?: RawDocument }) {
    const { why, hint } = explain(cause)
    const message = `${name}: its metadata cannot be read: ${why}`
    super('UPSTREAM_UNREACHABLE', message, { name, cause, hint })
    this.#document = document
  }

  get document(): RawDocument | undefined {
    return this.#document
  }
}

function explain(cause: unknown): { why: string; hint: string } {
  if (cause instanceof WorkerDied && !cause.hasStarted) {
    const why = 'no thread can be started to read it'
    return { why, hint: 'this machine is short of memory, threads or open files' }
  }
  return {
    why: 'whatever thread begins to read it dies',
    hint: 'it is tried again in some minutes; if it stays so, report it, with the name of the package',
  }
}

export interface PoisonDocuments {
  has(key: string): boolean
  remember(key: string): void
}

/** How long such a document is left alone. */
const ALONE_MS = 10 * 60_000
const MAX_DOCUMENTS = 1_000

export function createPoisonDocuments(
  now: () => number = () => performance.now(),
): PoisonDocuments {
  const documents = new LRUCache<string, true>({
    ...{ max: MAX_DOCUMENTS, ttl: ALONE_MS, ttlResolution: 0 },
    perf: { now },
  })
  return {
    has: (key) => documents.has(key),
    remember: (key) => void documents.set(key, true),
  }
}

/**
 * Whether a client with this policy may have a document that nobody has looked into: only where no tarball URL would have
 * been changed. Those of npm's public registry name that registry, which is what the policy leaves as it is.
 */
export function mayServeRaw(
  policy: TarballPolicy | undefined,
  registry: { readonly isPublicDefault: boolean },
): boolean {
  return policy === 'verbatim' || (policy === 'leave' && registry.isPublicDefault)
}
