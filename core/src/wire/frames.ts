/**
 * Length-prefixed frames over a byte stream: u32 big-endian length, then that many bytes. The length is checked before
 * anything is allocated. Used by every protocol of ours; docs/protocol.md, section Frames.
 */
import { CatalogError } from '../errors.ts'
import type { ByteSource } from '../host/host.ts'

export const FRAME_HEADER_BYTES = 4

/** One frame holding `parts` one after another. Copies: for small control messages. */
export function encodeFrame(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const part of parts) length += part.byteLength
  const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + length)
  frame.writeUInt32BE(length, 0)
  let offset = FRAME_HEADER_BYTES
  for (const part of parts) {
    frame.set(part, offset)
    offset += part.byteLength
  }
  return frame
}

export interface FrameOptions {
  readonly maxFrameBytes: number
  /** Gives the buffer for a body that is put together from several reads. Where it gives none, one is allocated. */
  readonly allocate?: (bytes: number) => Buffer | undefined
}

/**
 * Cuts a byte stream into frame bodies, in batches: all the frames that one read completed. Bodies may be views of the
 * bytes read, so copy what you keep.
 * @throws CatalogError PEER_MISBEHAVED for a frame longer than `maxFrameBytes`, an empty frame, or an end inside a frame
 */
export async function* readFrames(
  source: AsyncIterable<Uint8Array>,
  options: FrameOptions,
): AsyncGenerator<Uint8Array[]> {
  const splitter = createFrameSplitter(options.maxFrameBytes, options.allocate)
  for await (const bytes of source) {
    const frames = splitter.push(bytes)
    if (frames.length > 0) yield frames
  }
  splitter.end()
}

/**
 * The same for a reader that gets through each frame at once, at a fraction of the cost: a connection brings thousands of reads
 * a second. Bodies may be views of the bytes read here too. Resolves when the source has ended, and rejects with what the reader throws as well.
 */
export async function eachFrame(
  source: ByteSource,
  options: FrameOptions & { readonly onRead?: (bytes: number) => void },
  onFrame: (body: Uint8Array) => void,
): Promise<void> {
  const { maxFrameBytes, allocate, onRead } = options
  const splitter = createFrameSplitter(maxFrameBytes, allocate, { isLent: source.isLent })
  await source.consume((bytes) => {
    onRead?.(bytes.byteLength)
    for (const frame of splitter.push(bytes)) onFrame(frame)
  })
  splitter.end()
}

/**
 * The state between two reads, apart from IO so that it can be tested byte by byte.
 * @param isLent what is pushed may change afterwards, so no body is a view of it
 */
export function createFrameSplitter(
  maxFrameBytes: number,
  allocate?: FrameOptions['allocate'],
  { isLent = false }: { isLent?: boolean } = {},
): {
  push(bytes: Uint8Array): Uint8Array[]
  end(): void
} {
  const header = Buffer.alloc(FRAME_HEADER_BYTES)
  let headerFilled = 0
  let body: Buffer | undefined
  let bodyFilled = 0

  function startBody(): void {
    const length = header.readUInt32BE(0)
    if (length === 0 || length > maxFrameBytes) {
      throw new CatalogError(
        'PEER_MISBEHAVED',
        `frame of ${length} bytes, 1 to ${maxFrameBytes} allowed`,
      )
    }
    headerFilled = 0
    body = allocate?.(length) ?? Buffer.allocUnsafe(length)
    bodyFilled = 0
  }

  function push(bytes: Uint8Array): Uint8Array[] {
    const frames: Uint8Array[] = []
    let offset = 0
    while (offset < bytes.byteLength) {
      if (body === undefined) {
        const take = Math.min(FRAME_HEADER_BYTES - headerFilled, bytes.byteLength - offset)
        header.set(bytes.subarray(offset, offset + take), headerFilled)
        headerFilled += take
        offset += take
        if (headerFilled < FRAME_HEADER_BYTES) break
        const length = header.readUInt32BE(0)
        const isHere = bytes.byteLength - offset >= length
        if (!isLent && isHere && length > 0 && length <= maxFrameBytes) {
          // The whole frame is in this read: no copy.
          headerFilled = 0
          frames.push(bytes.subarray(offset, offset + length))
          offset += length
          continue
        }
        startBody()
      }
      const target = body
      if (target === undefined) break
      const take = Math.min(target.byteLength - bodyFilled, bytes.byteLength - offset)
      target.set(bytes.subarray(offset, offset + take), bodyFilled)
      bodyFilled += take
      offset += take
      if (bodyFilled === target.byteLength) {
        frames.push(target)
        body = undefined
      }
    }
    return frames
  }

  function end(): void {
    if (headerFilled > 0 || body !== undefined) {
      throw new CatalogError('PEER_MISBEHAVED', 'stream ended inside a frame')
    }
  }

  return { push, end }
}
