/** Releases as evidence of records: only of publishers that are trusted for the name, and only of what they say themselves. */
import { DatabaseSync } from 'node:sqlite'
import { expect, test, vi } from 'vitest'
import { keyOf } from '../../../test/support/registries/publishing.ts'
import { digestOf } from '../content/digest.ts'
import { describeBytes } from '../content/manifest.ts'
import type { ArtifactRecord, ReleaseEvidence } from '../content/record.ts'
import { silentLogger } from '../log.ts'
import { createRecordStore } from '../records/record-store.ts'
import { createRecords } from '../records/records.ts'
import { keyIdOf } from '../signing/key-id.ts'
import { registryOf } from './head-key.ts'
import { recordOf, verifyRelease } from './release-evidence.ts'
import { openRelease, signRelease } from './release.ts'

const key = keyOf('ann')
const publisher = keyIdOf(key.publicKey)

type Record = ArtifactRecord & { readonly evidence: ReleaseEvidence }

function releaseOf(bytes: string, signer = key): Record {
  const digest = digestOf(Buffer.from(bytes))
  const { size, chunkSize, root } = describeBytes(digest, Buffer.from(bytes), 65_536).manifest
  const version = { name: 'tool', version: '1.0.0' }
  const fields = { ...version, digest, size, chunkSize, root: Uint8Array.from(root) }
  const manifest = JSON.stringify(version)
  const statement = signRelease({ ...fields, manifest, publishedAtMs: 1 }, signer)
  return recordOf(openRelease(statement), statement)
}

const good = releaseOf('good')
const trusts = (): boolean => true

test('what a trusted publisher has released counts', () => {
  expect(verifyRelease(good, trusts)).toBe('valid')
})

test('of others nothing is even verified', () => {
  const asked = vi.fn(() => false)
  const forged = { ...good, evidence: { ...good.evidence, statement: Buffer.from('junk') } }
  expect(verifyRelease(forged, asked)).toBe('unknown')
  expect(asked).toHaveBeenCalledWith({ name: 'tool', publisher })
})

test.each<[string, Record]>([
  ['other bytes', { ...good, digest: digestOf(Buffer.from('bad')) }],
  ['another name', { ...good, name: 'other' }],
  ['another version', { ...good, version: '1.0.1' }],
  ['a forged statement', { ...good, evidence: { kind: 'release', statement: Buffer.alloc(2000) } }],
  ['a registry that is none', { ...good, registry: 'https://registry.example/' }],
  [
    "another publisher's release",
    { ...releaseOf('bad', keyOf('mallory')), registry: good.registry },
  ],
])('a record with %s is a lie', (_what, record) => {
  expect(verifyRelease(record, trusts)).toBe('invalid')
})

test('of one version only the first release counts, whoever signed the second', async () => {
  const records = createRecords({
    records: createRecordStore(new DatabaseSync(':memory:')),
    store: { entry: () => undefined },
    verify: async (record) => verifyRelease(record as Record, trusts),
    log: silentLogger,
  })
  expect(await records.add(good)).toBe('valid')
  expect(await records.add(releaseOf('other bytes'))).toBe('unknown')
  const version = { registry: registryOf(publisher), name: 'tool', version: '1.0.0' }
  expect(records.find(version)?.digest).toBe(good.digest)
})
