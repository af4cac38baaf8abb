/**
 * Bodies of cached documents: an LRU of bytes in front of files (body-disk.ts). Without a folder, and while the disk refuses, it
 * is a memory cache. What is written can be read at once; only as much as MAX_WAITING_BYTES waits for the disk.
 */
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { LRUCache } from 'lru-cache'
import PQueue from 'p-queue'
import type { Logger } from '@catalog-p2p/core'
import { BodyDisk, type BodyKey } from './body-disk.ts'

const unzip = promisify(gunzip)

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

const MAX_WAITING_BYTES = 64 * 1024 * 1024
const DISK_CONCURRENCY = 4

export function createBodyFiles(
  deps: { log: Logger; now: () => number },
  options: BodyFilesOptions,
): BodyFiles {
  const { path, maxBytes } = options
  return new CachedBodies(
    options,
    path === undefined ? undefined : new BodyDisk(deps, { path, maxBytes }),
  )
}

class CachedBodies implements BodyFiles {
  readonly #maxBytes: number
  readonly #disk: BodyDisk | undefined
  readonly #memory: LRUCache<string, Buffer>
  readonly #queue = new PQueue({ concurrency: DISK_CONCURRENCY })
  /** On its way to the disk. */
  readonly #waiting = new Map<string, Buffer>()
  #waitingBytes = 0

  constructor(
    { memoryBytes, maxBytes }: Pick<BodyFilesOptions, 'memoryBytes' | 'maxBytes'>,
    disk: BodyDisk | undefined,
  ) {
    this.#maxBytes = maxBytes
    this.#disk = disk
    this.#memory = new LRUCache<string, Buffer>({
      maxSize: Math.max(1, memoryBytes),
      sizeCalculation: (bytes, key) => bytes.byteLength + key.length + 64,
    })
  }

  async read(key: BodyKey): Promise<Buffer | undefined> {
    const id = idOf(key)
    const present = this.#memory.get(id) ?? this.#waiting.get(id)
    if (present !== undefined) return present
    const bytes = await this.#disk?.read(key)
    if (bytes !== undefined) this.#memory.set(id, bytes)
    return bytes
  }

  async readUnpacked(key: BodyKey): Promise<Buffer | undefined> {
    const id = `${idOf(key)} unpacked`
    const present = this.#memory.get(id)
    if (present !== undefined) return present
    const packed = await this.read(key)
    if (packed === undefined) return undefined
    const bytes = await unzip(packed, { maxOutputLength: this.#maxBytes })
    this.#memory.set(id, bytes)
    return bytes
  }

  remember(key: BodyKey, gzipped: Uint8Array): void {
    this.#memory.set(idOf(key), asBuffer(gzipped))
  }

  async write(key: BodyKey, gzipped: Uint8Array): Promise<void> {
    this.remember(key, gzipped)
    const disk = this.#disk
    const admitted = disk?.admitWrite() ?? 'refused'
    if (disk === undefined || admitted === 'refused') return
    const id = idOf(key)
    const bytes = asBuffer(gzipped)
    this.#waiting.set(id, bytes)
    this.#waitingBytes += bytes.byteLength
    const written = this.#queue.add(async () => {
      await disk.write(key, bytes, admitted)
      if (this.#waiting.get(id) === bytes) this.#waiting.delete(id)
      this.#waitingBytes -= bytes.byteLength
    })
    if (this.#waitingBytes > MAX_WAITING_BYTES) await written
  }

  clear(document: string, keepHash?: string): void {
    for (const id of this.#memory.keys()) {
      if (id.startsWith(`${document} `) && !id.startsWith(`${document} ${keepHash} `)) {
        this.#memory.delete(id)
      }
    }
    const disk = this.#disk
    if (disk !== undefined) void this.#queue.add(() => disk.clear(document, keepHash))
  }

  async flush(): Promise<void> {
    await this.#queue.onIdle()
  }
}

function asBuffer({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength)
}

function idOf(key: BodyKey): string {
  return `${key.document} ${key.hash} ${key.part}`
}
