/**
 * What this node knows of names: which bytes a version is, each with evidence that was verified here. It decides what is
 * believed, and which names are told to peers: those of public artifacts that the store holds, no others. It asks nobody
 * (transfer/named.ts does).
 */
import type { Digest } from '../content/digest.ts'
import { nameKeyOf, type NameKey, type PackageVersion } from '../content/name-key.ts'
import { isWithinRecordLimits, type ArtifactRecord } from '../content/record.ts'
import type { Logger } from '../log.ts'
import type { Store } from '../store/store.ts'
import type { RecordStore } from './record-store.ts'

/**
 * What evidence is worth. `unknown`: it names a key that this node does not have, which is nobody's fault. `invalid`: it
 * proves that whoever made it up lied.
 */
export type EvidenceVerdict = 'valid' | 'invalid' | 'unknown'

/** Port: keys live outside of the core. */
export interface VerifyEvidence {
  (record: ArtifactRecord): Promise<EvidenceVerdict>
  /** Whether evidence that was valid once still is: its key may have been dropped since. Absent: it is. */
  readonly stillCounts?: (record: ArtifactRecord) => boolean
}

export interface Records {
  /** Verifies and keeps it. */
  add(record: ArtifactRecord): Promise<EvidenceVerdict>
  /** One whose evidence still counts. */
  find(version: PackageVersion): ArtifactRecord | undefined
  /** Names that may be told of an artifact, which the store holds as public. */
  keysOf(digest: Digest): NameKey[]
  /** For a peer: the record, if its artifact is public and here. */
  listed(key: NameKey): ArtifactRecord | undefined
  /** Of what has just been added. */
  onAdded(listener: (key: NameKey, record: ArtifactRecord) => void): () => void
}

export function createRecords(deps: {
  readonly records: RecordStore
  readonly store: Pick<Store, 'entry'>
  /** undefined: nothing is believed. */
  readonly verify: VerifyEvidence | undefined
  readonly log: Logger
}): Records {
  const { records, store, verify, log } = deps
  const listeners = new Set<(key: NameKey, record: ArtifactRecord) => void>()

  function current(key: NameKey): ArtifactRecord | undefined {
    const record = records.get(key)
    return record === undefined || verify?.stillCounts?.(record) === false ? undefined : record
  }

  return {
    async add(record) {
      if (verify === undefined || !isWithinRecordLimits(record)) return 'unknown'
      const key = nameKeyOf(record)
      const known = current(key)
      if (known !== undefined && known.digest === record.digest) return 'valid'
      const verdict = await verify(record)
      if (verdict !== 'valid') return verdict
      if (known?.evidence.kind === 'release') {
        // What a publisher has released is not released again with other bytes: the first counts.
        log.warn('records.second-release', { name: record.name, version: record.version })
        return 'unknown'
      }
      if (known !== undefined) {
        // A registry that signs two contents of one version: its newest word counts, and somebody should look.
        const { name, version, registry } = record
        log.warn('records.replaced', { registry, name, version })
      }
      records.put(record)
      for (const listener of listeners) listener(key, record)
      return 'valid'
    },
    find: (version) => current(nameKeyOf(version)),
    keysOf: (digest) => records.keysOf(digest),
    listed(key) {
      const record = current(key)
      return record !== undefined && store.entry(record.digest)?.visibility === 'public'
        ? record
        : undefined
    },
    onAdded(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  }
}
