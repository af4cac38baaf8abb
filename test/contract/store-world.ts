/**
 * The worlds that the store's contracts run in, one for each implementation (store.test.ts). A world is fresh for each test; the
 * clock stands still unless a test moves it.
 */
import type { TestContext } from 'vitest'
import type { Store, StoreEvent } from '../../core/src/store/store.ts'
import type { FakeClock } from '../support/fake-clock.ts'

export interface WorldOptions {
  readonly quotaBytes?: number
  readonly replicaQuotaBytes?: number
}

export interface StoreWorld {
  readonly clock: FakeClock
  /** Not started; stopped after the test if it is not by then. */
  create(options?: WorldOptions): Store
}

export type WithStore = (context: TestContext) => Promise<StoreWorld>

export interface StartedStore {
  readonly store: Store
  readonly clock: FakeClock
  /** What it has told since before it was started. */
  readonly events: readonly StoreEvent[]
}

/** A started store of a new world. */
export function starting(
  createWorld: WithStore,
): (context: TestContext, options?: WorldOptions) => Promise<StartedStore> {
  return async (context, options) => {
    const { clock, create } = await createWorld(context)
    const store = create(options)
    const events: StoreEvent[] = []
    store.onEvent((event) => events.push(event))
    await store.start()
    return { store, clock, events }
  }
}
