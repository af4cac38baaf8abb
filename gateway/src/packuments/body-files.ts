/**
 * Bodies of cached documents: gzip files in a folder per document, an LRU of bytes in front of them. A file appears whole
 * (written aside, then renamed); what a crash or a bad disk left is found by gzip's own checksum on first use and counts as
 * missing. A disk that refuses makes this a memory cache for a while, with one log line each way. Without a folder it is one from the start.
 */
import { randomBytes } from 'node:crypto'
import { mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { LRUCache } from 'lru-cache'
import PQueue from 'p-queue'
import type { Logger } from '@catalog-p2p/core'

const unzip = promisify(gunzip)

/** One body: `document` names the folder, `hash` the content it was made from, `part` the form. All three are ours, and safe in a path. */
export interface BodyKey {
  readonly document: string
  readonly hash: string
  readonly part: string
}

export interface BodyFiles {
  /** Gzipped, as it was written; undefined when it is not there any more. */
  read(key: BodyKey): Promise<Buffer | undefined>
  /** Unpacked; kept unpacked in memory, too. */
  readUnpacked(key: BodyKey): Promise<Buffer | undefined>
  /** Readable at once; on disk a little later. Waits only while too much is waiting for the disk. */
  write(key: BodyKey, gzipped: Uint8Array): Promise<void>
  /** For as long as there is room in memory, and nowhere else. */
  remember(key: BodyKey, gzipped: Uint8Array): void
  /** Forgets every body of a document but those made from `keepHash`. */
  clear(document: string, keepHash?: string): void
  /** Waits for the disk. */
  flush(): Promise<void>
}

export interface BodyFilesOptions {
  readonly path: string | undefined
  readonly memoryBytes: number
  readonly maxBytes: number
}

/** How long a disk that refused is left alone. */
export const RETRY_MS = 60_000
const MAX_WAITING_BYTES = 64 * 1024 * 1024

export function createBodyFiles(
  deps: { log: Logger; now: () => number },
  options: BodyFilesOptions,
): BodyFiles {
  const memory = new LRUCache<string, Buffer>({
    maxSize: Math.max(1, options.memoryBytes),
    sizeCalculation: (bytes, key) => bytes.byteLength + key.length + 64,
  })
  const disk = new PQueue({ concurrency: 4 })
  const waiting = new Map<string, Buffer>()
  let waitingBytes = 0
  /** When the disk may be tried again; undefined: it works. */
  let retryAtMs: number | undefined

  function fileOf(key: BodyKey): string {
    const folder = join(options.path ?? '', key.document.slice(0, 2), key.document)
    return join(folder, `${key.hash}.${key.part}.gz`)
  }

  /** True when a write should go to the disk. While that refuses, one in a while finds out whether it still does. */
  function takesDisk(): boolean {
    if (options.path === undefined) return false
    if (retryAtMs === undefined) return true
    if (deps.now() < retryAtMs) return false
    retryAtMs = deps.now() + RETRY_MS
    return true
  }

  async function writeFileOf(key: BodyKey, bytes: Buffer, isTrial: boolean): Promise<void> {
    const file = fileOf(key)
    const aside = `${file}.${randomBytes(6).toString('hex')}.tmp`
    const store = async (): Promise<void> => {
      await mkdir(dirname(file), { recursive: true, mode: 0o700 })
      await writeFile(aside, bytes, { mode: 0o600 })
      await rename(aside, file)
    }
    try {
      // The folder may be cleared between mkdir and write.
      await store().catch((error: unknown) => (isMissing(error) ? store() : Promise.reject(error)))
    } catch (error) {
      await rm(aside, { force: true }).catch(() => undefined) // the first error is the one that matters
      const retryInMs = RETRY_MS
      if (retryAtMs === undefined) {
        deps.log.warn('metadata.degraded', { error, path: options.path, retryInMs })
      }
      retryAtMs = deps.now() + RETRY_MS
      return
    }
    // Others that were under way when the disk refused, and got through, prove nothing.
    if (!isTrial) return
    retryAtMs = undefined
    deps.log.info('metadata.recovered', { path: options.path })
  }

  async function readFileOf(key: BodyKey): Promise<Buffer | undefined> {
    if (options.path === undefined) return undefined
    let bytes: Buffer
    try {
      bytes = await readFile(fileOf(key))
    } catch {
      return undefined // evicted, never written, or unreadable: it is fetched again
    }
    try {
      await unzip(bytes, { maxOutputLength: options.maxBytes })
      return bytes
    } catch (error) {
      deps.log.warn('metadata.corrupt', { file: fileOf(key), error })
      await rm(fileOf(key), { force: true }).catch(() => undefined) // the next write replaces it
      return undefined
    }
  }

  async function read(key: BodyKey): Promise<Buffer | undefined> {
    const id = idOf(key)
    const here = memory.get(id) ?? waiting.get(id)
    if (here !== undefined) return here
    const bytes = await readFileOf(key)
    if (bytes !== undefined) memory.set(id, bytes)
    return bytes
  }

  function remember(key: BodyKey, gzipped: Uint8Array): Buffer {
    const bytes = Buffer.from(gzipped.buffer, gzipped.byteOffset, gzipped.byteLength)
    memory.set(idOf(key), bytes)
    return bytes
  }

  return {
    read,
    remember: (key, gzipped) => void remember(key, gzipped),
    async readUnpacked(key) {
      const id = `${idOf(key)} unpacked`
      const here = memory.get(id)
      if (here !== undefined) return here
      const packed = await read(key)
      if (packed === undefined) return undefined
      const bytes = await unzip(packed, { maxOutputLength: options.maxBytes })
      memory.set(id, bytes)
      return bytes
    },
    async write(key, gzipped) {
      const id = idOf(key)
      const bytes = remember(key, gzipped)
      const isTrial = retryAtMs !== undefined
      if (!takesDisk()) return
      waiting.set(id, bytes)
      waitingBytes += bytes.byteLength
      const written = disk.add(async () => {
        await writeFileOf(key, bytes, isTrial)
        if (waiting.get(id) === bytes) waiting.delete(id)
        waitingBytes -= bytes.byteLength
      })
      if (waitingBytes > MAX_WAITING_BYTES) await written
    },
    clear(document, keepHash) {
      for (const id of memory.keys()) {
        if (id.startsWith(`${document} `) && !id.startsWith(`${document} ${keepHash} `)) {
          memory.delete(id)
        }
      }
      if (options.path === undefined) return
      const folder = join(options.path, document.slice(0, 2), document)
      disk.add(() => clearFolder(folder, keepHash)).catch(() => undefined) // left files are overwritten or cleared next time
    },
    flush: () => disk.onIdle(),
  }
}

async function clearFolder(folder: string, keepHash: string | undefined): Promise<void> {
  if (keepHash === undefined) return rm(folder, { recursive: true, force: true })
  for (const file of await readdir(folder)) {
    if (!file.startsWith(`${keepHash}.`)) await rm(join(folder, file), { force: true })
  }
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT'
}

function idOf(key: BodyKey): string {
  return `${key.document} ${key.hash} ${key.part}`
}
