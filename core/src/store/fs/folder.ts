/**
 * The store's folder over time: open for writing, for reading only, or not at all, and then tried again once a minute. Says
 * what it finds there; never keeps entries itself.
 */
import { CatalogError, isCatalogError } from '../../errors.ts'
import { adoptOrphans } from './adopt.ts'
import { openDisk, openReadOnlyDisk, type Disk, type DiskDeps } from './disk.ts'
import type { EntryRow } from './index-rows.ts'
import { dropStalePartials } from './maintenance.ts'
import { fitQuotas } from '../quota.ts'
import type { StoreEntry } from '../store.ts'

export class FsFolder {
  readonly #deps: DiskDeps
  readonly #stopping = new AbortController()
  #adopting: Promise<void> = Promise.resolve()
  #maintenance: Promise<void> = Promise.resolve()
  /** Undefined while the folder can't be opened: everything is absent then, and nothing is kept. */
  #disk: Disk | undefined
  #writable: Disk | undefined

  constructor(deps: DiskDeps) {
    this.#deps = deps
  }

  get disk(): Disk | undefined {
    return this.#disk
  }

  /** @throws CatalogError STORE_LOCKED when another process owns the folder */
  async start(): Promise<void> {
    const { entries, health } = this.#deps
    try {
      await this.#open((entry) => entries.load(entry))
    } catch (error) {
      if (isCatalogError(error, 'STORE_LOCKED') || this.#stopping.signal.aborted) throw error
      health.failed(error)
      await this.#openReadOnly()
    }
  }

  /** The same, unless the folder may not be written. */
  get writable(): Disk | undefined {
    return this.#writable
  }

  /** For a folder that could not be opened for writing: undefined while it still can't. */
  async reopen(): Promise<Disk | undefined> {
    const { entries, health } = this.#deps
    if (!health.mayWrite()) return undefined
    try {
      const disk = await this.#open((entry) => entries.add(entry))
      health.succeeded()
      return disk
    } catch (error) {
      health.failed(error)
      return undefined
    }
  }

  /** Resolves when what was found without a row is adopted. */
  async adopted(): Promise<void> {
    await this.#adopting
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await Promise.all([this.#maintenance, this.#adopting])
    await this.#disk?.close()
  }

  async #open(take: (entry: StoreEntry) => void): Promise<Disk> {
    const { disk, found } = await openDisk(this.#deps)
    const { signal } = this.#stopping
    if (signal.aborted) {
      await disk.close()
      throw new CatalogError('NODE_STOPPED', 'the store was stopped while it opened')
    }
    this.#disk?.index.close()
    this.#disk = this.#writable = disk
    this.#takeIn(found.entries, take)
    dropStalePartials(disk.partials, this.#deps.clock.epochMs())
    fitQuotas(this.#deps.quota) // they may have been lowered
    this.#maintenance = disk.runMaintenance(signal)
    this.#adopting = adoptOrphans({ ...this.#deps, disk }, found, signal)
    return disk
  }

  /** What a folder holds that may not be written is still of use. */
  async #openReadOnly(): Promise<void> {
    const { entries, log } = this.#deps
    try {
      const { disk, found } = await openReadOnlyDisk(this.#deps)
      this.#disk = disk
      this.#takeIn(found.entries, (entry) => entries.load(entry))
    } catch (error) {
      log.debug('store.absent', { reason: String(error) })
    }
  }

  #takeIn(rows: readonly EntryRow[], take: (entry: StoreEntry) => void): void {
    const { entries, marks } = this.#deps
    for (const { mark, ...row } of rows) {
      if (entries.has(row.digest)) continue
      marks.note(row.digest, mark)
      take(row)
    }
  }
}
