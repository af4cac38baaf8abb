/** Records in memory, and made-up ones whose evidence says by itself what it is worth. */
import { DatabaseSync } from 'node:sqlite'
import type { Digest } from '../../core/src/content/digest.ts'
import type { ArtifactRecord } from '../../core/src/content/record.ts'
import { silentLogger } from '../../core/src/log.ts'
import { createRecordStore } from '../../core/src/records/record-store.ts'
import {
  createRecords,
  type EvidenceVerdict,
  type Records,
  type VerifyEvidence,
} from '../../core/src/records/records.ts'
import type { Store } from '../../core/src/store/store.ts'

/** Its key id is the verdict. */
export const verifyByKeyId: VerifyEvidence = async ({ evidence }) =>
  evidence.kind === 'registry-signature' ? (evidence.keyId as EvidenceVerdict) : 'unknown'

export function memoryRecords(
  store: Pick<Store, 'entry'>,
  verify: VerifyEvidence | undefined = verifyByKeyId,
): Records {
  const records = createRecordStore(new DatabaseSync(':memory:'))
  return createRecords({ records, store, verify, log: silentLogger })
}

export function recordOf(
  digest: Digest,
  { name = 'a', version = '1.0.0', verdict = 'valid' } = {},
): ArtifactRecord {
  const registry = 'http://registry.example/'
  const signature = Uint8Array.of(1, 2, 3)
  return {
    ...{ registry, name, version, digest },
    evidence: { kind: 'registry-signature', keyId: verdict, signature },
  }
}
