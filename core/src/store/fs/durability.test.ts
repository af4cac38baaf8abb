/** When files are synced to the disk: never while others are being written. */
import { expect, test } from 'vitest'
import { createFakeClock } from '../../../../test/support/fake-clock.ts'
import { digestOf } from '../../content/digest.ts'
import { silentLogger } from '../../log.ts'
import { Durability } from './durability.ts'
import { FileFingerprints } from './file-fingerprint.ts'
import type { StoreFiles } from './files.ts'
import type { FsIndex } from './index-rows.ts'
import { createFsLayout } from './layout.ts'

test('what is written while a sync runs waits until it has been quiet again', async () => {
  const clock = createFakeClock()
  const digests = Array.from({ length: 80 }, (_, index) => digestOf(Buffer.of(index)))
  const layout = createFsLayout('/store')
  const synced: string[] = []
  let isAdding = true
  const files: Partial<StoreFiles> = {
    async sync(path) {
      synced.push(path)
      const next = isAdding ? digests[synced.length] : undefined
      if (next !== undefined) durability.add(next)
    },
    syncFolder: () => Promise.resolve(),
  }
  const index: Partial<FsIndex> = {
    apply: () => undefined,
    checkpoint: () => undefined,
  }
  const durability = new Durability({
    ...{ layout, clock, marks: new FileFingerprints(), log: silentLogger },
    ...{ files: files as StoreFiles, index: index as FsIndex },
  })
  durability.add(digestOf(Buffer.of(0)))
  await clock.advance(30_000)
  expect(synced).toEqual([layout.artifact(digestOf(Buffer.of(0)))])
  await clock.advance(29_000)
  expect(synced).toHaveLength(1)
  isAdding = false
  await clock.advance(1_000)
  expect(synced).toHaveLength(2)
  await durability.stop()
})
