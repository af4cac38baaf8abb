/**
 * Thread that hashes large artifacts while they arrive: SHA-256 of each chunk as it lands, against its leaf where leaves are
 * known, and the sha512 of the whole in order. Chunks come as transferred buffers; those out of order wait here, and the
 * sender bounds how many. Pooled chunks are shared instead, and reported as `consumed` when they are no longer needed.
 * A verdict is on the bytes of one check, never on an index: two peers may send the same chunk.
 */
import { createHash, type Hash } from 'node:crypto'
import { parentPort } from 'node:worker_threads'
import { HASH_BYTES, hashLeaf, merkleRoot } from '../../content/merkle.ts'

export type HashRequest =
  | { op: 'open'; job: number; chunks: number; leaves: Uint8Array | undefined }
  | { op: 'chunk'; job: number; check: number; index: number; bytes: Uint8Array }
  | { op: 'close'; job: number }

export type HashReply =
  | { op: 'checked'; job: number; check: number; matches: boolean }
  | { op: 'consumed'; job: number; check: number }
  | { op: 'done'; job: number; sha512: string; leaves: Uint8Array; root: Uint8Array }

interface Job {
  readonly chunks: number
  readonly expected: Uint8Array | undefined
  readonly leaves: Buffer
  readonly sha512: Hash
  readonly waiting: Map<number, { bytes: Uint8Array; check: number }>
  next: number
}

const jobs = new Map<number, Job>()

function reply(message: HashReply): void {
  parentPort?.postMessage(message)
}

function addChunk(job: Job, request: Extract<HashRequest, { op: 'chunk' }>): void {
  const { index, bytes } = request
  const leaf = hashLeaf(bytes)
  const start = index * HASH_BYTES
  const expected = job.expected?.subarray(start, start + HASH_BYTES)
  const matches = expected === undefined || Buffer.compare(leaf, expected) === 0
  reply({ op: 'checked', job: request.job, check: request.check, matches })
  const consumed = (check: number): void => reply({ op: 'consumed', job: request.job, check })
  if (!matches || index < job.next || job.waiting.has(index)) return consumed(request.check)
  job.leaves.set(leaf, start)
  job.waiting.set(index, { bytes, check: request.check })
  for (;;) {
    const turn = job.waiting.get(job.next)
    if (turn === undefined) break
    job.waiting.delete(job.next)
    job.sha512.update(turn.bytes)
    consumed(turn.check)
    job.next++
  }
  if (job.next < job.chunks) return
  jobs.delete(request.job)
  const leaves = new Uint8Array(job.leaves)
  // Here and only now: leaves of a claim that came to nothing are never hashed.
  const root = merkleRoot(leaves)
  reply({ op: 'done', job: request.job, sha512: job.sha512.digest('base64'), leaves, root })
}

parentPort?.on('message', (request: HashRequest) => {
  switch (request.op) {
    case 'open':
      jobs.set(request.job, {
        chunks: request.chunks,
        expected: request.leaves,
        leaves: Buffer.alloc(request.chunks * HASH_BYTES),
        sha512: createHash('sha512'),
        waiting: new Map(),
        next: 0,
      })
      return
    case 'chunk': {
      const job = jobs.get(request.job)
      if (job !== undefined) addChunk(job, request)
      return
    }
    case 'close':
      jobs.delete(request.job)
      return
  }
})
