/** A child process for store-locked.test.ts: owns the store in the folder argv[2] until it is killed. */
import { systemClock } from '../../core/src/timing/clock.ts'
import { silentLogger } from '../../core/src/log.ts'
import { createFsStore } from '../../core/src/store/fs/fs-store.ts'
import { blob, CHUNK_SIZE } from '../support/blobs.ts'

const store = createFsStore(
  { clock: systemClock, log: silentLogger },
  {
    ...{ path: process.argv[2] ?? '', quotaBytes: 1e9, chunkSize: CHUNK_SIZE },
    memoryBytes: 0,
  },
)
await store.start()
const { digest, bytes } = blob(1000)
await store.put(digest, bytes, { visibility: 'public' })
await store.flush()
process.stdout.write('mine\n')
// Longer than any test waits; the parent kills it.
setTimeout(() => undefined, 60_000)
