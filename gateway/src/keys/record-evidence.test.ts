/** What a registry's key has signed counts as long as the user has that key, records that were verified long ago too. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { digestOf, type ArtifactRecord, type Logger } from '@catalog-p2p/core'
import { expect, onTestFinished, test, vi } from 'vitest'
import { memoryRecords } from '../../../test/support/records.ts'
import { importableSigner, writeKeyring } from '../../../test/support/signed-swarm.ts'
import { createEvidenceVerifier } from './record-evidence.ts'

const REGISTRY = 'https://registry.example/'
const [old, renewed] = [importableSigner(), importableSigner()]
const silent = (): void => undefined
const log: Logger = { debug: silent, info: silent, warn: silent, error: silent }

function recordBy(signer: typeof old): ArtifactRecord {
  const version = { registry: REGISTRY, name: 'fx-signed', version: '1.0.0' }
  const digest = digestOf(Buffer.from('its bytes'))
  const sig = signer.sign(Buffer.from(`${version.name}@${version.version}:${digest}`))
  const signature = new Uint8Array(Buffer.from(sig, 'base64'))
  const evidence = { kind: 'registry-signature', keyId: signer.keyid, signature } as const
  return { ...version, digest, evidence }
}

test('a record counts no more once its key is dropped, and is learned anew by another key', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'catalog-keys-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  vi.useFakeTimers({ toFake: ['performance'] })
  onTestFinished(() => void vi.useRealTimers())
  const keyringPath = join(folder, 'keys.json')
  await writeKeyring(keyringPath, REGISTRY, old.key)
  const verify = createEvidenceVerifier({ log }, { keyringPath })
  const listed = { visibility: 'public' } as never
  const records = memoryRecords({ entry: () => listed }, verify)
  const record = recordBy(old)
  expect(await records.add(record)).toBe('valid')
  expect(records.find(record)).toEqual(record)
  const [key = ''] = records.keysOf(record.digest)
  expect(records.listed(key as never)).toEqual(record)

  await writeKeyring(keyringPath, REGISTRY, renewed.key)
  vi.advanceTimersByTime(10_001)
  records.find(record) // it is read behind this
  await vi.waitFor(() => expect(records.find(record)).toBeUndefined())
  expect(records.listed(key as never)).toBeUndefined()
  expect(await records.add(record)).toBe('unknown')
  const again = recordBy(renewed)
  expect(await records.add(again)).toBe('valid')
  expect(records.find(record)).toEqual(again)
})
