/**
 * Buffers for chunks of large artifacts, reused and shared with the hash thread. Fresh memory of that size costs a receiver a
 * third of its time: pages to map, a copy for the thread, and collections that V8 starts for memory outside its heap. The
 * last user of a chunk gives it back; one that is never given back is an ordinary buffer that the collector takes, and so is each
 * after a rest.
 */
import { atRest } from '../../disk/at-rest.ts'

export interface ChunkPool {
  /** A buffer of `bytes`, or undefined when it is not of a size worth pooling or all are lent. */
  take(bytes: number): Buffer | undefined
  /** Takes back a buffer, or a view of it, which must not be read after that. Buffers of no pool are ignored. */
  give(view: Uint8Array): void
  /** Nobody takes any more. */
  close(): void
}

/** The buffers of all pools. */
const SLABS = new WeakSet<ArrayBufferLike>()

/** Below this an ordinary buffer is as good. */
const MIN_BYTES = 256 * 1024
/** Room for the fields before a chunk. */
const EXTRA_BYTES = 64

export function createChunkPool(options: { chunkSize: number; maxBytes: number }): ChunkPool {
  const slabBytes = options.chunkSize + EXTRA_BYTES
  const maxSlabs = Math.floor(options.maxBytes / slabBytes)
  const free: SharedArrayBuffer[] = []
  const lent = new WeakSet<SharedArrayBuffer>()
  let slabs = 0
  let isKept: (() => void) | undefined
  const lost = new FinalizationRegistry<undefined>(() => (slabs -= 1))

  function make(): SharedArrayBuffer | undefined {
    if (slabs >= maxSlabs) return undefined
    slabs += 1
    const slab = new SharedArrayBuffer(slabBytes)
    SLABS.add(slab)
    lost.register(slab, undefined, slab)
    isKept ??= atRest(drop)
    return slab
  }

  /** Leaves what is free to the collector. */
  function drop(): void {
    for (const slab of free.splice(0)) if (lost.unregister(slab)) slabs -= 1
  }

  return {
    take(bytes) {
      if (bytes < MIN_BYTES || bytes > slabBytes) return undefined
      const slab = free.pop() ?? make()
      if (slab === undefined) return undefined
      lent.add(slab)
      return Buffer.from(slab, 0, bytes)
    },
    give({ buffer }) {
      if (isShared(buffer) && lent.delete(buffer)) free.push(buffer)
    },
    close() {
      isKept?.()
      drop()
    },
  }
}

/** True for a view of a pooled chunk: it may change once it has been given back, so copy what you keep. */
export function isPooled(view: Uint8Array): boolean {
  return SLABS.has(view.buffer)
}

function isShared(buffer: ArrayBufferLike): buffer is SharedArrayBuffer {
  return buffer instanceof SharedArrayBuffer
}
