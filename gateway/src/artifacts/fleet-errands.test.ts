import { expect, test } from 'vitest'
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

test('what has begun for another machine goes on though that has gone to the registry itself', async () => {
  const node = createFakeNode()
  const begun = Promise.withResolvers<ArtifactRequest>()
  const serving = Promise.withResolvers<Parameters<typeof node.fleet.serve>[0]>()
  Object.assign(node.fleet, { serve: serving.resolve })
  const got = Promise.withResolvers<never>()
  serveFleet({
    node,
    registries,
    artifacts: {
      get: (request) => (begun.resolve(request), got.promise),
      ensureRecord: async () => undefined,
      isKnownPublic: () => true,
    },
  })
  const fetch = await serving.promise
  const asker = new AbortController()
  const version = { registry, name: 'fx', version: '1.0.0' }
  const errand = fetch({ version, digest }, { signal: asker.signal })
  const { signal } = await begun.promise
  asker.abort(new Error('gone'))
  await expect(errand).rejects.toThrow('gone')
  expect(signal.aborted).toBe(false)
})
