import { CatalogError, findDigest, isCatalogError } from '@catalog-p2p/core'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createFakeNode } from '../../../test/support/fake-node.ts'
import { createNodeLifecycle, type NodeLifecycleDependencies } from './node-lifecycle.ts'

let logged: string[]
const note =
  (level: string) =>
  (event: string): void =>
    void logged.push(`${level} ${event}`)

function lifecycleOf(
  createNode: () => Promise<ReturnType<typeof createFakeNode>>,
  prepare?: NodeLifecycleDependencies['prepare'],
) {
  const log = { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') }
  const core = { createNode, findDigest, isCatalogError }
  const load = () => Promise.resolve(core as never)
  return createNodeLifecycle({ log, nodeLog: log, load, ...(prepare && { prepare }) }, {})
}

beforeEach(() => {
  logged = []
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
})
afterEach(() => vi.useRealTimers())

test('a node that starts is there until it is stopped', async () => {
  const node = createFakeNode()
  const closed = vi.spyOn(node, 'close')
  const it = lifecycleOf(() => Promise.resolve(node))
  it.start()
  expect(it.state).toBe('starting')
  expect((await it.ready)?.node).toBe(node)
  expect(it.state).toBe('running')
  await it.stop()
  expect(it.running).toBeUndefined()
  expect(closed).toHaveBeenCalledTimes(1)
})

test('one that can not start is said once, and those who wait for it go on', async () => {
  const it = lifecycleOf(() => Promise.reject(new CatalogError('INVALID_OPTIONS', 'network.prot')))
  it.start()
  expect(await it.ready).toBeUndefined()
  expect(it.state).toBe('failed')
  await vi.advanceTimersByTimeAsync(60_000)
  expect(logged).toEqual(['error node.failed'])
})

test.each(['STORE_LOCKED', 'HOST_FAILED'] as const)(
  '%s may pass: tried again, quietly',
  async (code) => {
    const create = vi.fn().mockRejectedValue(new CatalogError(code, 'not now'))
    const it = lifecycleOf(create)
    it.start()
    await vi.advanceTimersByTimeAsync(40_000)
    expect(create).toHaveBeenCalledTimes(3)
    expect(it.state).toBe('failed')
    create.mockResolvedValue(createFakeNode())
    await vi.advanceTimersByTimeAsync(15_000)
    expect(it.state).toBe('running')
    expect(await it.ready).toBeDefined()
    expect(logged).toEqual(['error node.failed', 'info node.running'])
  },
)

test('one that is stopped while it starts is closed when it has', async () => {
  const node = createFakeNode()
  const closed = vi.spyOn(node, 'close')
  const slow = Promise.withResolvers<typeof node>()
  const it = lifecycleOf(() => slow.promise)
  it.start()
  const stopping = it.stop()
  slow.resolve(node)
  await stopping
  expect(closed).toHaveBeenCalledTimes(1)
  expect(it.state).toBe('stopped')
  expect(await it.ready).toBeUndefined()
})

test('it does not start before it has been prepared, nor when that fails', async () => {
  const start = vi.fn(() => Promise.resolve(createFakeNode()))
  const slow = Promise.withResolvers<void>()
  const it = lifecycleOf(start, () => slow.promise)
  it.start()
  await new Promise(setImmediate)
  expect(start).not.toHaveBeenCalled()
  slow.resolve()
  expect(await it.ready).toBeDefined()

  const broken = lifecycleOf(start, () => Promise.reject(new Error('the folder is not ours')))
  broken.start()
  expect(await broken.ready).toBeUndefined()
  expect(broken.state).toBe('failed')
  expect(start).toHaveBeenCalledTimes(1)
})

test('its preparation ends with it', async () => {
  let given: AbortSignal | undefined
  const it = lifecycleOf(
    () => Promise.resolve(createFakeNode()),
    (_, { signal }) => {
      given = signal
      return new Promise((_resolve, reject) =>
        signal.addEventListener('abort', () => reject(signal.reason as Error)),
      )
    },
  )
  it.start()
  await new Promise(setImmediate)
  await it.stop()
  expect(given?.aborted).toBe(true)
  expect(it.running).toBeUndefined()
})
