/** What counts as something that comes from the peers of a claim. */
import { expect, test } from 'vitest'
import { CHUNK_SIZE } from '../../../../test/support/blobs.ts'
import { createFakeClock, type FakeClock } from '../../../../test/support/fake-clock.ts'
import { digestOf } from '../../content/digest.ts'
import type { PeerLinks } from '../asking/peer-link.ts'
import { createPeerScores } from '../peer-score.ts'
import type { TransferDeps } from '../transfer-deps.ts'
import { Candidate } from './candidate.ts'
import { isWellUnderWay, type Claims } from './claims.ts'

/** A claim of forty chunks by a peer that has sent good bytes before, of which none has come whole. */
function claimed(clock: FakeClock): {
  candidate: Candidate
  bytes: { session: number; bulk: number }
} {
  const bytes = { session: 0, bulk: 1_000_000 }
  const receivedBytes: PeerLinks['receivedBytes'] = (_, lane) =>
    lane === undefined ? bytes.session + bytes.bulk : bytes[lane]
  const scores = createPeerScores(clock, () => undefined)
  scores.answered('a', { bytes: 1 })
  const deps: Partial<TransferDeps> = {
    ...{ clock, scores, links: { receivedBytes } as PeerLinks },
    assemblies: { open: () => new Promise(() => undefined) },
  }
  const geometry = {
    ...{ digest: digestOf(Buffer.of(1)), size: 40 * CHUNK_SIZE, chunkSize: CHUNK_SIZE },
  }
  const claim = { peer: 'a', geometry, leaves: Buffer.alloc(40 * 32), present: undefined }
  return { candidate: new Candidate(claim, deps as TransferDeps, 'public'), bytes }
}

test('bytes of chunks are heard since the claim; manifests, and word that a chunk will come, are not', async () => {
  const clock = createFakeClock()
  const { candidate, bytes } = claimed(clock)
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

test.each([
  ['half', 0.5, true],
  ['a fiftieth', 0.02, false],
])(
  'a proven claim of which no chunk is whole after 600 ms, but %s has come',
  async (_, share, isLeftAlone) => {
    const clock = createFakeClock()
    const { candidate, bytes } = claimed(clock)
    const claims: Partial<Claims> = { leader: () => candidate, ageMs: 600 }
    for (let step = 0; step < 6; step++) {
      await clock.advance(100)
      bytes.bulk += (share * 40 * CHUNK_SIZE) / 6
      candidate.listen()
    }
    expect(isWellUnderWay(claims as Claims)).toBe(isLeftAlone)
  },
)

test.each([
  ['sends other things that it was asked for', 2 * CHUNK_SIZE, true],
  ['says next to nothing', 2_000, false],
])('a proven claim whose chunks wait while its peer %s', async (_, perStep, isLeftAlone) => {
  const clock = createFakeClock()
  const { candidate, bytes } = claimed(clock)
  let ageMs = 0
  const claims: Partial<Claims> = { leader: () => candidate, count: 1 }
  const look = async (): Promise<boolean> => {
    await clock.advance(100)
    ageMs += 100
    bytes.session += perStep
    return isWellUnderWay({ ...claims, ageMs } as Claims)
  }
  bytes.bulk += CHUNK_SIZE
  await look()
  await look()
  await look()
  expect(await look()).toBe(isLeftAlone)
  // Not for long, whatever else it sends.
  for (let step = 0; step < 8; step++) await look()
  expect(await look()).toBe(false)
})
