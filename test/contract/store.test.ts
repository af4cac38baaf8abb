/** The store's contract on both implementations. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'vitest'
import { silentLogger } from '../../core/src/log.ts'
import { createFsStore } from '../../core/src/store/fs/fs-store.ts'
import { createMemoryStore } from '../../core/src/store/memory-store.ts'
import type { Store } from '../../core/src/store/store.ts'
import { CHUNK_SIZE } from '../support/blobs.ts'
import { createFakeClock } from '../support/fake-clock.ts'
import { storePartialsContract } from './store-partials.contract.ts'
import { storeQuotaContract } from './store-quota.contract.ts'
import type { StoreWorld, WithStore } from './store-world.ts'
import { storeContract } from './store.contract.ts'

const QUOTA_BYTES = 1024 ** 3
const KiB = 1024

async function memoryWorld(): Promise<StoreWorld> {
  const clock = createFakeClock()
  const deps = { clock, log: silentLogger }
  return {
    clock,
    create: (quotas = {}) =>
      createMemoryStore(deps, { quotaBytes: QUOTA_BYTES, ...quotas, chunkSize: CHUNK_SIZE }),
  }
}

function fsWorld(memory: { memoryBytes: number }) {
  return async (context: TestContext): Promise<StoreWorld> => {
    const clock = createFakeClock()
    const path = await mkdtemp(join(tmpdir(), 'catalog-store-'))
    const stores: Store[] = []
    context.onTestFinished(async () => {
      for (const store of stores) await store.stop()
      await rm(path, { recursive: true })
    })
    return {
      clock,
      create(quotas = {}) {
        const base = { path, quotaBytes: QUOTA_BYTES, chunkSize: CHUNK_SIZE }
        const options = { ...base, ...quotas, ...memory }
        const store = createFsStore({ clock, log: silentLogger }, options)
        stores.push(store)
        return store
      },
    }
  }
}

const withCache = fsWorld({ memoryBytes: 64 * KiB * KiB })
const withoutCache = fsWorld({ memoryBytes: 0 })

const worlds: readonly (readonly [string, WithStore])[] = [
  ['memory store', memoryWorld],
  ['file-system store', withCache],
  ['file-system store without a memory cache', withoutCache],
]
for (const [name, createWorld] of worlds) {
  storeContract(name, createWorld)
  storeQuotaContract(name, createWorld)
  storePartialsContract(name, createWorld)
}
