/**
 * Whom this machine trusts to publish what, as the trust file says it now: looked at again when something is asked and it may have
 * changed. While it makes no sense the older one counts, and a gateway does not start with it: a name must never fall to a
 * registry because of a slip in a file.
 */
import { dirname } from 'node:path'
import { isCatalogError, type KeyId, type Logger } from '@catalog-p2p/core'
import { CertificateBook } from './certificate-book.ts'
import {
  decideFirstUse,
  originsBy,
  type FirstUseFacts,
  type FirstUseVerdict,
  type NameOrigins,
} from './origin-of-name.ts'
import { withEntry, type TrustEntry } from './trust-entries.ts'
import { certificatesPath, changeTrustFile, readTrustFile, stateOfTrustFile } from './trust-file.ts'

export interface Trust {
  /** Synchronous: a look at a table, and at the file's times now and then. Its publishers are those certified just now, too. */
  readonly originOf: NameOrigins
  /** Of all organisations that the file names. */
  roots(): readonly KeyId[]
  /** What organisations say; undefined without a trust file. */
  readonly book: CertificateBook | undefined
  /** All that the file says. */
  entries(): readonly TrustEntry[]
  /**
   * A package that nobody has bound is published by `publisher`, whose signature on it has been verified: binds its name to that
   * key if that was asked for, with a loud notice. Afterwards `originOf` says so.
   * @throws CatalogError STORE_FAILED
   */
  meet(
    package_: { readonly name: string; readonly publisher: KeyId },
    atRegistry: FirstUseFacts['atRegistry'],
  ): Promise<FirstUseVerdict>
}

export interface TrustOptions {
  /** undefined: nobody is trusted, everything comes from a registry. */
  readonly trustPath?: string | undefined
  readonly trustOnFirstUse: boolean
}

/** A command that has changed the file takes longer to end. */
const LOOK_EVERY_MS = 100

/** @throws CatalogError INVALID_OPTIONS for a file that makes no sense, or that others may write */
export function openTrust(
  deps: { readonly log: Logger; readonly nowMs?: () => number },
  options: TrustOptions,
): Trust {
  const { trustPath: path } = options
  return path === undefined ? NOBODY_TRUSTED : new TrustFile(deps, { ...options, trustPath: path })
}

/** Without a trust file everything is a registry's. */
export const NOBODY_TRUSTED: Trust = {
  originOf: originsBy([]),
  entries: () => [],
  roots: () => [],
  book: undefined,
  meet: () => Promise.resolve({ verdict: 'refuse', why: 'this gateway has no trust file' }),
}

class TrustFile implements Trust {
  readonly #log: Logger
  readonly #nowMs: () => number
  readonly #path: string
  readonly #isWanted: boolean
  readonly book: CertificateBook
  #entries: readonly TrustEntry[] = []
  #origins: NameOrigins = originsBy([])
  #state: string | undefined
  #lookedAtMs = -Infinity
  #problem: string | undefined
  /** One change at a time. */
  #changing: Promise<void> = Promise.resolve()

  constructor(
    { log, nowMs = () => performance.now() }: { log: Logger; nowMs?: () => number },
    { trustPath, trustOnFirstUse }: TrustOptions & { trustPath: string },
  ) {
    this.#log = log
    this.#nowMs = nowMs
    this.#path = trustPath
    this.#isWanted = trustOnFirstUse
    this.book = new CertificateBook(certificatesPath(dirname(trustPath)), { log })
    this.#read(stateOfTrustFile(trustPath))
  }

  readonly originOf: NameOrigins = (name) => {
    this.#look()
    const origin = this.#origins(name)
    if (origin.kind === 'registry' || origin.roots.length === 0) return origin
    const { book } = this
    const { publishers, roots } = origin
    return {
      ...origin,
      // Looked up only when somebody wants to know: which registry is asked does not depend on it.
      get publishers() {
        return [...new Set([...publishers, ...book.publishers(roots, name)])]
      },
    }
  }

  entries(): readonly TrustEntry[] {
    this.#look()
    return this.#entries
  }

  roots(): readonly KeyId[] {
    return [...new Set(this.entries().flatMap(({ kind, id }) => (kind === 'root' ? [id] : [])))]
  }

  async meet(
    { name, publisher }: { name: string; publisher: KeyId },
    atRegistry: FirstUseFacts['atRegistry'],
  ): Promise<FirstUseVerdict> {
    const change = this.#changing.then(async () => {
      const facts = { isWanted: this.#isWanted, origin: this.originOf(name), atRegistry }
      const found = decideFirstUse(facts)
      if (found.verdict === 'bind') await this.#bind(name, publisher)
      return found
    })
    this.#changing = change.then(
      () => undefined,
      () => undefined,
    )
    return change
  }

  async #bind(name: string, publisher: KeyId): Promise<void> {
    const comment = `seen first ${new Date().toISOString()}; nobody has compared the fingerprint`
    const entry = { subject: name, kind: 'key', id: publisher, how: 'first-use', comment } as const
    await changeTrustFile(this.#path, (text) => withEntry(text, entry))
    this.#lookedAtMs = -Infinity
    this.#log.warn('trust.first-use', {
      ...{ name, publisher },
      effect: 'from now on only this key may publish it here',
      next: `compare the fingerprint with its owner's, then "catalog trust pin ${name}"; or "catalog trust remove ${name}"`,
    })
  }

  #look(): void {
    const now = this.#nowMs()
    if (now - this.#lookedAtMs < LOOK_EVERY_MS) return
    this.#lookedAtMs = now
    try {
      const state = stateOfTrustFile(this.#path)
      if (state !== this.#state) this.#read(state)
      this.#problem = undefined
    } catch (error) {
      if (!isCatalogError(error)) throw error
      if (error.message !== this.#problem) {
        const effect = 'what it said before counts until it makes sense again'
        this.#log.error('trust.unreadable', { reason: error.message, effect })
      }
      this.#problem = error.message
    }
  }

  /** `state` from before the reading: what is written meanwhile is seen by the next look. */
  #read(state: string): void {
    this.#entries = readTrustFile(this.#path)
    this.#origins = originsBy(this.#entries)
    this.#state = state
    this.#log.info('trust.read', { entries: this.#entries.length })
  }
}
