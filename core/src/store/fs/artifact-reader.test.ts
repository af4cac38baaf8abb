import { expect, test } from 'vitest'
import { silentLogger } from '../../log.ts'
import { digestOf } from '../../content/digest.ts'
import { Entries } from '../entries.ts'
import { ArtifactReader } from './artifact-reader.ts'
import { FileFingerprints } from './file-fingerprint.ts'
import { createNodeFiles } from './files.ts'
import { createFsLayout } from './layout.ts'

test('small artifacts are read once, whatever large ones come, and again when they were forgotten', async () => {
  const artifacts = Array.from({ length: 20 }, (_, index) => Buffer.from(`artifact ${index}`))
  const entries = new Entries()
  for (const bytes of artifacts) {
    const times = { addedAtMs: 0, usedAtMs: 0 }
    const kept = { visibility: 'public', retention: 'cache', pinned: false } as const
    entries.load({ digest: digestOf(bytes), size: bytes.byteLength, ...kept, ...times })
  }
  const reads: string[] = []
  const nobody = (): never => {
    throw new Error('nobody is to be asked')
  }
  const whole = {
    readNow(_path: string, { digest }: { digest: string }) {
      reads.push(digest)
      return artifacts.find((bytes) => digestOf(bytes) === digest)
    },
    ...{ read: nobody, hash: nobody, stop: nobody },
  }
  const deps = { log: silentLogger, files: createNodeFiles(), layout: createFsLayout('/nowhere') }
  const reader = new ArtifactReader(
    {
      ...{ ...deps, whole, entries, marks: new FileFingerprints(), pending: () => undefined },
      ...{ onRehashed: nobody, drop: nobody },
    },
    { memoryBytes: 2_000_000 },
  )
  for (let times = 0; times < 2; times += 1) {
    for (const bytes of artifacts) expect(await reader.read(digestOf(bytes))).toEqual(bytes)
  }
  expect(reads).toHaveLength(artifacts.length)
  // A large one would take the place of a thousand.
  for (const fill of [1, 2]) {
    const large = Buffer.alloc(1_500_000, fill)
    reader.remember(digestOf(large), large)
  }
  for (const bytes of artifacts) expect(await reader.read(digestOf(bytes))).toEqual(bytes)
  expect(reads).toHaveLength(artifacts.length)
  const [first = Buffer.of()] = artifacts
  reader.forget(digestOf(first))
  expect(await reader.read(digestOf(first))).toEqual(first)
  expect(reads).toHaveLength(artifacts.length + 1)
})
