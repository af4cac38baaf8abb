/**
 * A child process for store-crash.test.ts: works on the store in the folder argv[2] and is killed (SIGKILL, by itself) at file
 * operation number argv[3]: before it, with it under way, or after it (argv[4]). Says on stdout, synchronously, what it has
 * been promised; the number of file operations when it comes to the end.
 */
import { writeSync } from 'node:fs'
import { systemClock } from '../../core/src/timing/clock.ts'
import { chunkRange } from '../../core/src/content/chunking.ts'
import { describeBytes, type Description } from '../../core/src/content/manifest.ts'
import { silentLogger } from '../../core/src/log.ts'
import { createNodeFiles, type OpenFile, type StoreFiles } from '../../core/src/store/fs/files.ts'
import { createFsStore } from '../../core/src/store/fs/fs-store.ts'
import type { PartialArtifact } from '../../core/src/store/store.ts'
import { blob, CHUNK_SIZE, type Blob } from '../support/blobs.ts'

const [path = '', killAtText = '', mode = 'before'] = process.argv.slice(2)
const killAt = Number(killAtText)
let operations = 0

function say(...words: (string | number)[]): void {
  writeSync(1, `${words.join(' ')}\n`)
}

function die(): void {
  process.kill(process.pid, 'SIGKILL')
  for (;;); // the signal is on its way; nothing else may happen
}

async function step<T>(operation: () => Promise<T>): Promise<T> {
  operations += 1
  const isLast = operations === killAt
  if (isLast && mode === 'before') die()
  const running = operation()
  if (isLast && mode === 'during') die()
  const result = await running
  if (isLast) die()
  return result
}

function killing(files: StoreFiles): StoreFiles {
  const open = async (...args: Parameters<StoreFiles['open']>): Promise<OpenFile> => {
    const file = await step(() => files.open(...args))
    return {
      read: file.read.bind(file),
      stat: file.stat.bind(file),
      write: ((...rest: Parameters<OpenFile['write']>) =>
        step(() => file.write(...rest))) as OpenFile['write'],
      close: () => step(() => file.close()),
    }
  }
  return {
    open,
    list: (folder) => files.list(folder),
    mark: (file) => files.mark(file),
    makeFolder: (folder) => step(() => files.makeFolder(folder)),
    create: (file, bytes) => step(() => files.create(file, bytes)),
    rename: (from, to) => step(() => files.rename(from, to)),
    remove: (file) => step(() => files.remove(file)),
    sync: (file) => step(() => files.sync(file)),
    syncFolder: (folder) => step(() => files.syncFolder(folder)),
  }
}

async function writeChunks(
  partial: PartialArtifact,
  { bytes }: Blob,
  indices: number[],
): Promise<void> {
  for (const index of indices) {
    const { start, end } = chunkRange(partial.geometry, index)
    await partial.writeChunk(index, bytes.subarray(start, end))
  }
}

const describeBlob = ({ digest, bytes }: Blob): Description =>
  describeBytes(digest, bytes, CHUNK_SIZE)

async function work(): Promise<void> {
  const store = createFsStore(
    { clock: systemClock, log: silentLogger, files: killing(createNodeFiles()) },
    {
      ...{ path, quotaBytes: 1e9, chunkSize: CHUNK_SIZE },
      ...{ memoryBytes: 1e6 },
    },
  )
  await store.start()
  const [a, b] = [blob(1000, 1), blob(2000, 2)]
  for (const { digest, bytes } of [a, b]) await store.put(digest, bytes, { visibility: 'public' })
  await store.flush()
  say('kept', a.digest)
  say('kept', b.digest)

  const later = [0, 1, CHUNK_SIZE, 3 * CHUNK_SIZE + 1].map((size) => blob(size, 3))
  for (const { digest, bytes } of later) await store.put(digest, bytes, { visibility: 'private' })
  await store.pin(a.digest, true)
  say('pinned', a.digest)

  say('deleting', b.digest)
  await store.delete(b.digest)
  say('deleted', b.digest)

  const whole = blob(2 * CHUNK_SIZE + 5, 4)
  const first = describeBlob(whole)
  const partial = await store.openPartial(first.manifest, first.leaves, { visibility: 'public' })
  await writeChunks(partial, whole, [2, 0, 1])
  await partial.commit({ verified: true })
  const half = blob(4 * CHUNK_SIZE, 5)
  const second = describeBlob(half)
  const unfinished = await store.openPartial(second.manifest, second.leaves, {
    visibility: 'public',
  })
  await writeChunks(unfinished, half, [3, 1])
  await unfinished.suspend()
  say('unfinished', half.digest, 2)

  await store.flush()
  for (const { digest } of [...later, whole]) say('kept', digest)
  await store.put(b.digest, b.bytes, { visibility: 'public' })
  await store.stop()
  say('kept', b.digest)
  say('operations', operations)
}

await work()
