import { setImmediate } from 'node:timers/promises'
import { afterEach, expect, test, vi } from 'vitest'
import { digestOf } from '@catalog-p2p/core'
import { createFakeNode } from '../../../test/support/fake-node.ts'
import type { ArtifactRequest } from './artifact-request.ts'
import { createRegistries } from '../upstream/registries.ts'
import { npmConfigFrom } from '../upstream/npmrc.ts'
import { serveFleet } from './fleet-errands.ts'

const registry = 'https://registry.example/'
const digest = digestOf(Buffer.from('fx'))

const log = { debug() {}, info() {}, warn() {}, error() {} }
const registries = createRegistries(
  { config: npmConfigFrom({}), log },
  { upstream: registry, previousRegistry: undefined, port: 4874, addresses: ['127.0.0.1'] },
)

afterEach(() => void vi.useRealTimers())

/** Asks for errands that begin, and come to an end by `done` alone. */
async function serving() {
  const node = createFakeNode()
  const served = Promise.withResolvers<Parameters<typeof node.fleet.serve>[0]>()
  Object.assign(node.fleet, { serve: served.resolve })
  const begun: ArtifactRequest[] = []
  const { promise, reject } = Promise.withResolvers<never>()
  serveFleet({
    node,
    registries,
    artifacts: {
      get: (request) => (begun.push(request), promise),
      ensureRecord: async () => undefined,
      isKnownPublic: () => true,
    },
  })
  const fetch = await served.promise
  const ask = (index: number, signal: AbortSignal): Promise<unknown> =>
    fetch({ version: { registry, name: `fx-${index}`, version: '1.0.0' }, digest }, { signal })
  return { ask, begun, done: () => reject(new Error('done')) }
}

test('what has begun for another machine goes on for ten seconds, and keeps its place, though that has left; what waits does not', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const { ask, begun, done } = await serving()
  const leaving = new AbortController()
  const askers = Array.from({ length: 33 }, (_, index) => ask(index, leaving.signal))
  leaving.abort(new Error('gone'))
  await expect(askers[32]).rejects.toThrow('gone')
  const next = ask(33, new AbortController().signal)
  await setImmediate()
  expect(begun).toHaveLength(32)
  vi.advanceTimersByTime(9_999)
  expect(begun.some(({ signal }) => signal.aborted)).toBe(false)
  vi.advanceTimersByTime(1)
  expect(begun.every(({ signal }) => signal.aborted)).toBe(true)
  done()
  await Promise.allSettled([...askers, next])
  expect(begun.map(({ name }) => name).slice(32)).toEqual(['fx-33'])
})
