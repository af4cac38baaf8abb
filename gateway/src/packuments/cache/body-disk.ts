/**
 * Bodies on disk: gzip files in a folder per document. A file appears whole (written aside, then renamed); what a crash or a bad
 * disk left is found by gzip's own checksum when it is read and counts as missing. No failure of the disk reaches a request:
 * a disk that refuses is left alone for a while, with one log line each way.
 */
import { randomBytes } from 'node:crypto'
import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { errnoOf, renameOver, type Logger } from '@catalog-p2p/core'

const unzip = promisify(gunzip)

/** One body: `document` names the folder, `hash` the content it was made from, `part` the form. All three are ours, and safe in a path. */
export interface BodyKey {
  readonly document: string
  readonly hash: string
  readonly part: string
}

/** How long a disk that refused is left alone, milliseconds. */
export const RETRY_MS = 60_000

export class BodyDisk {
  readonly #log: Logger
  readonly #now: () => number
  readonly #path: string
  readonly #maxBytes: number
  /** When the disk may be tried again; undefined: it works. */
  #retryAtMs: number | undefined

  constructor(
    { log, now }: { log: Logger; now: () => number },
    { path, maxBytes }: { path: string; maxBytes: number },
  ) {
    this.#log = log
    this.#now = now
    this.#path = path
    this.#maxBytes = maxBytes
  }

  /**
   * Whether a write should go to the disk now: `trial` for the one that finds out whether a disk that refused still does.
   * Reserves the trial, so a write must follow.
   */
  admitWrite(): 'write' | 'trial' | 'refused' {
    if (this.#retryAtMs === undefined) return 'write'
    if (this.#now() < this.#retryAtMs) return 'refused'
    this.#retryAtMs = this.#now() + RETRY_MS
    return 'trial'
  }

  async write(key: BodyKey, bytes: Buffer, admitted: 'write' | 'trial'): Promise<void> {
    try {
      await this.#store(this.#fileOf(key), bytes)
    } catch (error) {
      if (this.#retryAtMs === undefined) {
        this.#log.warn('metadata.degraded', { error, path: this.#path, retryInMs: RETRY_MS })
      }
      this.#retryAtMs = this.#now() + RETRY_MS
      return
    }
    // A write that was under way when the disk refused another one, and got through, proves nothing.
    if (admitted !== 'trial') return
    this.#retryAtMs = undefined
    this.#log.info('metadata.recovered', { path: this.#path })
  }

  /** Gzipped; undefined: evicted, never written, or unreadable. */
  async read(key: BodyKey): Promise<Buffer | undefined> {
    const file = this.#fileOf(key)
    let bytes: Buffer
    try {
      bytes = await readFile(file)
    } catch {
      return undefined // it is fetched again
    }
    try {
      await unzip(bytes, { maxOutputLength: this.#maxBytes })
      return bytes
    } catch (error) {
      this.#log.warn('metadata.corrupt', { file, error })
      await rm(file, { force: true }).catch(() => undefined) // the next write replaces it
      return undefined
    }
  }

  /** Removes every body of a document but those made from `keepHash`. Files that stay are overwritten or removed next time. */
  async clear(document: string, keepHash: string | undefined): Promise<void> {
    const folder = this.#folderOf(document)
    try {
      if (keepHash === undefined) return await rm(folder, { recursive: true, force: true })
      for (const file of await readdir(folder)) {
        if (!file.startsWith(`${keepHash}.`)) await rm(join(folder, file), { force: true })
      }
    } catch {
      // no folder yet, or a disk that refuses
    }
  }

  async #store(file: string, bytes: Buffer): Promise<void> {
    const aside = `${file}.${randomBytes(6).toString('hex')}.tmp`
    const once = async (): Promise<void> => {
      await mkdir(dirname(file), { recursive: true, mode: 0o700 })
      await writeFile(aside, bytes, { mode: 0o600 })
      await renameOver(aside, file)
    }
    try {
      // The folder may be cleared between mkdir and write.
      await once().catch((error: unknown) => (isMissing(error) ? once() : Promise.reject(error)))
    } catch (error) {
      await rm(aside, { force: true }).catch(() => undefined) // the first error is the one that matters
      throw error
    }
  }

  #folderOf(document: string): string {
    return join(this.#path, document.slice(0, 2), document)
  }

  #fileOf({ document, hash, part }: BodyKey): string {
    return join(this.#folderOf(document), `${hash}.${part}.gz`)
  }
}

function isMissing(error: unknown): boolean {
  return errnoOf(error) === 'ENOENT'
}
