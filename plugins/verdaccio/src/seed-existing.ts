/**
 * Hands what Verdaccio's storage already holds to the seeder, at a bounded rate, so that a Verdaccio with a full cache seeds from
 * its first minute. Stops when the node's store is nearly full: more would only evict what was seeded before.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '@catalog-p2p/core'
import { storedFiles } from './manifest.ts'
import type { RunningNode } from './node-source.ts'
import type { SeedResult } from './seed-tarball.ts'
import type { Seeder } from './seeding.ts'
import { forEachPackage, listingOf } from './storage-listing.ts'
import type { LocalStorage } from './verdaccio.ts'

export interface SeedExistingDependencies {
  readonly localStorage: LocalStorage
  readonly seeder: Pick<Seeder, 'seed'>
  readonly running: RunningNode
  readonly log: Logger
}

export interface SeedExistingOptions {
  /** Most tarballs read per second. */
  readonly perSecond: number
  readonly signal: AbortSignal
}

/** Share of the quota at which the store counts as nearly full. */
const FULL = 0.95

/** Rejects only when the signal aborts. */
export async function seedExisting(
  deps: SeedExistingDependencies,
  options: SeedExistingOptions,
): Promise<void> {
  const { localStorage, log } = deps
  const { signal } = options
  const listing = listingOf(localStorage)
  if (listing === undefined) {
    const next =
      'this storage plugin has no way to list packages; they are seeded as they are asked for'
    return log.warn('seeding.no-list', { next })
  }
  const found: Record<SeedResult, number> = { seeded: 0, present: 0, left: 0, damaged: 0 }
  let isFull = false
  try {
    await forEachPackage(listing, async (name) => {
      signal.throwIfAborted()
      isFull ||= isAlmostFull(deps.running)
      if (!isFull) await seedPackage(deps, name, { ...options, found })
    })
  } catch (error) {
    signal.throwIfAborted()
    log.warn('seeding.stopped', { error })
  }
  const next = isFull ? 'the quota is reached: raise it to seed the rest' : undefined
  log.info('seeding.existing', { ...found, next })
}

async function seedPackage(
  { localStorage, seeder, running, log }: SeedExistingDependencies,
  name: string,
  options: SeedExistingOptions & { found: Record<SeedResult, number> },
): Promise<void> {
  const { found, perSecond, signal } = options
  try {
    for (const filename of storedFiles(await localStorage.getPackageMetadataAsync(name))) {
      if (isAlmostFull(running)) return
      const result = await seeder.seed(name, filename, { signal })
      found[result] += 1
      // Only these have read a file.
      if (result === 'seeded' || result === 'damaged') {
        await sleep(1000 / perSecond, undefined, { signal, ref: false })
      }
    }
  } catch (error) {
    signal.throwIfAborted()
    log.debug('seeding.skipped', { package: name, error }) // the folder may be no package
  }
}

function isAlmostFull({ node }: RunningNode): boolean {
  const { bytes, quotaBytes } = node.stats().store
  return bytes > quotaBytes * FULL
}
