/** Frames of a stream one at a time, for conversations in which both sides take turns. */
import { CatalogError } from '../errors.ts'
import { readFrames } from '../wire/frames.ts'

export interface FrameSource {
  /** A copy. @throws CatalogError PEER_MISBEHAVED, PEER_REFUSED when the other side has ended instead; what the stream throws */
  next(): Promise<Uint8Array>
}

export function createFrameSource(
  source: AsyncIterable<Uint8Array>,
  maxFrameBytes: number,
): FrameSource {
  const frames = oneByOne(source, maxFrameBytes)
  return {
    async next() {
      const { done, value } = await frames.next()
      if (done === true) throw new CatalogError('PEER_REFUSED', 'the peer has nothing to say')
      return value
    },
  }
}

async function* oneByOne(
  source: AsyncIterable<Uint8Array>,
  maxFrameBytes: number,
): AsyncGenerator<Uint8Array, undefined> {
  for await (const batch of readFrames(source, { maxFrameBytes })) {
    for (const frame of batch) yield Uint8Array.from(frame)
  }
}
