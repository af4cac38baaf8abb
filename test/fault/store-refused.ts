/**
 * A child process for store-full.test.ts: a store in the folder argv[2] that the system refuses to let grow, by a file-size
 * limit that the parent has set, or because the folder may not be written.
 */
import { systemClock } from '../../core/src/timing/clock.ts'
import { digestOf } from '../../core/src/content/digest.ts'
import { createFsStore } from '../../core/src/store/fs/fs-store.ts'
import { blob, CHUNK_SIZE } from '../support/blobs.ts'
import { createCollectingLogger } from '../support/collecting-logger.ts'

const [path = ''] = process.argv.slice(2)

const log = createCollectingLogger()
const store = createFsStore(
  { clock: systemClock, log },
  {
    ...{ path, quotaBytes: 1e9, chunkSize: CHUNK_SIZE },
    memoryBytes: 0,
  },
)
await store.start()
const wishes = [blob(1000), blob(50_000), blob(4 * 1024 * 1024), blob(2000)]
for (const { digest, bytes } of wishes) {
  await store.put(digest, bytes, { visibility: 'public' })
  await store.flush()
}
const degraded = log.lines.filter(({ level }) => level === 'warn')
const { writable, artifacts } = store.usage()
let read = 0
for (const { digest } of store.entries()) {
  if (digestOf(await store.read(digest)) === digest) read += 1
}
await store.stop()
process.stdout.write(
  JSON.stringify({
    ...{ writable, kept: artifacts, read, warnings: degraded.length },
    code: degraded[0]?.facts['code'],
  }),
)
