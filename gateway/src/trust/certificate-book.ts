/**
 * What this machine knows of organisations, over restarts: one file beside the trust file, for its user alone, as the memory of what
 * was revoked must not go with a cache. Holds nothing that is not signed by its root. While the file makes no sense no certificate
 * counts: what it has revoked is not known then.
 */
import { readFileSync, statSync } from 'node:fs'
import { z } from 'zod'
import {
  CatalogError,
  isCatalogError,
  isKeyId,
  type Certificate,
  type KeyId,
  type Logger,
} from '@catalog-p2p/core'
import { replaceFile } from '../replace-file.ts'
import {
  certificateFor,
  publishersOf,
  statementsOf,
  takeIn,
  unknownOrganisation,
  type Organisation,
  type OrganisationStatements,
  type TakenIn,
} from './organisation.ts'

const MAX_BYTES = 32 * 1024 * 1024
const MAX_ROOTS = 64

const fileSchema = z.strictObject({
  version: z.literal(1),
  organisations: z.record(
    z.string().refine(isKeyId),
    z.strictObject({ revocations: z.base64().nullable(), certificates: z.array(z.base64()) }),
  ),
})

type Organisations = ReadonlyMap<KeyId, Organisation>

export interface CertificateBookDependencies {
  readonly log: Logger
  /** Unix time, milliseconds. */
  readonly now?: () => number
}

export class CertificateBook {
  readonly path: string
  readonly #log: Logger
  readonly #now: () => number
  #known: Organisations = new Map()
  #state: string | undefined
  #problem: string | undefined
  /** One change at a time. */
  #changing: Promise<unknown> = Promise.resolve()

  constructor(path: string, { log, now = Date.now }: CertificateBookDependencies) {
    this.path = path
    this.#log = log
    this.#now = now
  }

  /** Keys that may publish `name` now, by the word of those roots. */
  publishers(roots: readonly KeyId[], name: string): KeyId[] {
    const known = this.#look()
    const keys = roots.flatMap((root) => {
      const organisation = known.get(root)
      return organisation === undefined ? [] : publishersOf(organisation, name, this.#now())
    })
    return [...new Set(keys)]
  }

  /** Why `key` may publish `name` by the word of `root`; undefined: it may not. */
  certificateOf(
    root: KeyId,
    { key, name }: { readonly key: KeyId; readonly name: string },
  ): Certificate | undefined {
    return certificateFor(this.of(root), { key, name }, this.#now())
  }

  of(root: KeyId): Organisation {
    return this.#look().get(root) ?? unknownOrganisation(root)
  }

  roots(): readonly KeyId[] {
    return [...this.#look().keys()]
  }

  /** Takes in what counts of what was offered. @throws CatalogError STORE_FAILED, STORE_CORRUPT */
  async take(root: KeyId, offered: OrganisationStatements): Promise<TakenIn> {
    const change = this.#changing.then(async () => {
      const known = read(this.path, this.#now())
      const found = takeIn(known.get(root) ?? unknownOrganisation(root), offered, this.#now())
      if (found.isFork) this.#log.error('certificates.fork', { root })
      if (found.isChanged) await this.#write(new Map([...known, [root, found.organisation]]))
      return found
    })
    this.#changing = change.catch(() => undefined)
    return change
  }

  async #write(organisations: Organisations): Promise<void> {
    if (organisations.size > MAX_ROOTS) {
      throw new CatalogError('STORE_FAILED', `${this.path}: more than ${MAX_ROOTS} organisations`)
    }
    const bytes = Buffer.from(toText(organisations))
    try {
      await replaceFile(this.path, bytes, { mode: 0o600, keepMode: false })
    } catch (error) {
      throw new CatalogError('STORE_FAILED', `${this.path}: can't be written`, { cause: error })
    }
    this.#state = undefined
  }

  /** As the file says it now; it is read again when it has changed. */
  #look(): Organisations {
    const state = stateOf(this.path)
    if (state === this.#state) return this.#known
    try {
      this.#known = read(this.path, this.#now())
      this.#problem = undefined
    } catch (error) {
      if (!isCatalogError(error, 'STORE_CORRUPT')) throw error
      this.#known = new Map()
      if (this.#problem !== error.message) {
        const effect = 'no certificate counts'
        this.#log.error('certificates.unreadable', { reason: error.message, effect })
      }
      this.#problem = error.message
    }
    this.#state = state
    return this.#known
  }
}

/** @throws CatalogError STORE_CORRUPT */
function read(path: string, nowMs: number): Organisations {
  try {
    const stats = statSync(path, { throwIfNoEntry: false })
    if (stats === undefined) return new Map()
    if (stats.size > MAX_BYTES) throw new Error(`${stats.size} bytes are too many`)
    const { organisations } = fileSchema.parse(JSON.parse(readFileSync(path, 'utf8')))
    return new Map(
      Object.entries(organisations).map(([root, { revocations, certificates }]) => {
        if (!isKeyId(root)) throw new Error('a root that is no key')
        const statements = {
          revocations: revocations === null ? undefined : fromBase64(revocations),
          certificates: certificates.map(fromBase64),
        }
        const { organisation, offence } = takeIn(unknownOrganisation(root), statements, nowMs)
        if (offence !== undefined) throw new Error(offence)
        return [root, organisation]
      }),
    )
  } catch (error) {
    throw new CatalogError('STORE_CORRUPT', `${path}: not what catalog has written`, {
      hint: 'move it away; certificates come again from peers, but not what they no longer know to be revoked',
      cause: error,
    })
  }
}

function toText(organisations: Organisations): string {
  const entries = [...organisations].map(([root, organisation]) => {
    const { revocations, certificates } = statementsOf(organisation)
    return [
      root,
      {
        revocations: revocations === undefined ? null : toBase64(revocations),
        certificates: certificates.map(toBase64),
      },
    ]
  })
  const file = { version: 1, organisations: Object.fromEntries(entries) as object }
  return `${JSON.stringify(file, null, 2)}\n`
}

function stateOf(path: string): string {
  const stats = statSync(path, { throwIfNoEntry: false })
  return stats === undefined
    ? 'none'
    : `${stats.mtimeMs} ${stats.ctimeMs} ${stats.size} ${stats.ino}`
}

const toBase64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
const fromBase64 = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'base64'))
