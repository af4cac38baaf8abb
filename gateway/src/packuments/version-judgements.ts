/**
 * What the guard says of the versions of cached documents: judged once per document from its version list, and again when a version
 * has become old enough or the rules have changed. The same judgement answers for metadata and for tarballs.
 */
import { createHash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { deniedError } from '../guard/denied-error.ts'
import type { Guard } from '../guard/guard.ts'
import type { Judgement } from '../guard/guarded-version.ts'
import type { CachedDocument, PackumentKind } from './cache/cached-document.ts'
import type { PackumentCache } from './cache/packument-cache.ts'
import { listOrigins } from './document/version-lines.ts'

/** What a client's form of a document must not have. */
export interface LeftOut {
  readonly versions: readonly string[]
  /** Tells this list from others; empty for none. */
  readonly tag: string
  /** Unix time, milliseconds: then it is another list. */
  readonly untilMs: number
}

const NOTHING: LeftOut = { versions: [], tag: '', untilMs: Infinity }
/** Versions remembered in all documents together, at most. */
const MAX_VERSIONS = 500_000

interface Judged {
  readonly generation: number
  readonly judgement: Judgement
  readonly leftOut: LeftOut
}

export class VersionJudgements {
  readonly #cache: PackumentCache
  readonly #guard: Guard
  readonly #judged = new LRUCache<string, Judged>({
    maxSize: MAX_VERSIONS,
    sizeCalculation: ({ judgement }) => judgement.known.size + 1,
  })

  readonly #wantsTimes: boolean

  /** @param options.wantsTimes whatever the rules are */
  constructor(
    { cache, guard }: { cache: PackumentCache; guard: Guard },
    { wantsTimes = false }: { wantsTimes?: boolean } = {},
  ) {
    this.#wantsTimes = wantsTimes
    this.#cache = cache
    this.#guard = guard
  }

  get guard(): Guard {
    return this.#guard
  }

  /** Of the document to ask for: only full ones say when versions came out, which may have to be known. */
  kindFor({ name, kind }: { name: string; kind: PackumentKind }): PackumentKind {
    return this.#wantsTimes || this.#guard.needsTimes(name) ? 'full' : kind
  }

  /** undefined when the cache has lost the version list. */
  async of(document: CachedDocument): Promise<Judgement | undefined> {
    return (await this.#judge(document))?.judgement
  }

  /** undefined when the cache has lost the version list. @throws CatalogError DENIED when no version would be left */
  async leftOut(document: CachedDocument): Promise<LeftOut | undefined> {
    const { name } = document
    if (!this.#guard.mayDeny(name)) return NOTHING
    const judged = await this.#judge(document)
    if (judged === undefined) return undefined
    const { known, denied } = judged.judgement
    if (denied.size > 0 && denied.size === known.size) {
      const [first] = [...denied.values()].sort((a, b) => untilOf(a) - untilOf(b))
      if (first !== undefined) throw deniedError({ name, version: undefined }, first)
    }
    return judged.leftOut
  }

  async #judge(document: CachedDocument): Promise<Judged | undefined> {
    const { id, hash, name } = document
    const key = `${id} ${hash}`
    const { generation } = this.#guard
    const known = this.#judged.get(key)
    if (known?.generation === generation && !this.#guard.isOver(known.judgement)) return known
    const lines = await this.#cache.bodies.readUnpacked({ document: id, hash, part: 'versions' })
    if (lines === undefined) return undefined
    const judgement = this.#guard.judge(name, listOrigins(lines))
    const judged = { generation, judgement, leftOut: leftOutBy(judgement) }
    this.#judged.set(key, judged)
    return judged
  }
}

function untilOf({ untilMs = Infinity }: { untilMs: number | undefined }): number {
  return untilMs
}

function leftOutBy({ denied, untilMs }: Judgement): LeftOut {
  if (denied.size === 0) return NOTHING
  const versions = [...denied.keys()].sort()
  const tag = createHash('sha256').update(versions.join('\n')).digest('base64url').slice(0, 12)
  return { versions, tag, untilMs }
}
