/** What counts as something that comes from the peers of a claim. */
import { expect, test } from 'vitest'
import { CHUNK_SIZE } from '../../../../test/support/blobs.ts'
import { createFakeClock } from '../../../../test/support/fake-clock.ts'
import { digestOf } from '../../content/digest.ts'
import type { PeerLinks } from '../asking/peer-link.ts'
import { createPeerScores } from '../peer-score.ts'
import type { TransferDeps } from '../transfer-deps.ts'
import { Candidate } from './candidate.ts'

test('bytes of chunks are heard since the claim; manifests, and word that a chunk will come, are not', async () => {
  const clock = createFakeClock()
  const bytes = { session: 0, bulk: 1_000_000 }
  const receivedBytes: PeerLinks['receivedBytes'] = (_, lane) =>
    lane === undefined ? bytes.session + bytes.bulk : bytes[lane]
  const deps: Partial<TransferDeps> = {
    clock,
    links: { receivedBytes } as PeerLinks,
    scores: createPeerScores(clock, () => undefined),
    assemblies: { open: () => new Promise(() => undefined) },
  }
  const geometry = {
    ...{ digest: digestOf(Buffer.of(1)), size: 40 * CHUNK_SIZE, chunkSize: CHUNK_SIZE },
  }
  const claim = { peer: 'a', geometry, leaves: Buffer.alloc(40 * 32), present: undefined }
  const candidate = new Candidate(claim, deps as TransferDeps, 'public')
  await clock.advance(200)
  expect(candidate.listen()).toBe(200)
  bytes.session += 10_000
  for (let word = 0; word < 20; word++) {
    bytes.bulk += 9
    await clock.advance(10)
    expect(candidate.listen()).toBe(210 + 10 * word)
  }
  bytes.bulk += 10_000
  expect(candidate.listen()).toBe(0)
})
