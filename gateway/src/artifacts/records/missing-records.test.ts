import { expect, test } from 'vitest'
import { digestOf } from '@catalog-p2p/core'
import { silentLogger } from '../../../../core/src/log.ts'
import { createFakeClock } from '../../../../test/support/fake-clock.ts'
import { createFakeNode } from '../../../../test/support/fake-node.ts'
import { MissingRecords } from './missing-records.ts'

const url = 'https://registry.test/'
const registry = { url, origin: 'https://registry.test', isPublic: true, isPublicDefault: false }
const never = (): never => {
  throw new Error('nobody should be asked')
}

test('a machine with no peers asks for what was signed long after its install; one that meets some, at once', async () => {
  const clock = createFakeClock()
  const node = createFakeNode()
  let peers: readonly string[] = []
  let asked = 0
  const bytes = Buffer.from('a tarball')
  const digest = digestOf(bytes)
  node.stored.set(digest, { bytes, visibility: 'public', pinned: false })
  const records = new MissingRecords(
    {
      node: { ...node, peers: () => peers },
      registries: { forName: () => registry, credentialsAt: () => undefined },
      upstream: { request: never, counts: { requests: 0, failures: 0, bytes: 0 } },
      trustedKeys: () => Promise.resolve(void (asked += 1)),
      isKnownPublic: () => true,
      log: silentLogger,
    },
    clock,
  )
  records.note({ registry: url, name: 'alone', version: '1.0.0' }, digest)
  await clock.advance(29_000)
  expect(asked).toBe(0)
  await clock.advance(2_000)
  expect(asked).toBe(1)

  records.note({ registry: url, name: 'met', version: '1.0.0' }, digest)
  await clock.advance(5_000)
  expect(asked).toBe(1)
  peers = ['somebody']
  await clock.advance(1_000)
  expect(asked).toBe(2)
  records.close()
})
