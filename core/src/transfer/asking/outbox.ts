/**
 * Sends small frames in order, a turn of the event loop later, waiting for the transport as a ByteStream asks for, without
 * making the sender wait: what
 * comes meanwhile goes out together. Its users bound how much that is.
 */
import type { ByteStream } from '../../host/host.ts'

export interface Outbox {
  send(frame: Uint8Array): void
}

/** `onFailed` is called once, and nothing is sent afterwards. */
export function createOutbox(stream: ByteStream, onFailed: (error: unknown) => void): Outbox {
  let waiting: Uint8Array[] = []
  let sending = false
  let failed = false

  async function flush(): Promise<void> {
    // A turn of the event loop, so that what its requests ask for leaves in one write.
    await new Promise(setImmediate)
    while (waiting.length > 0) {
      const frames = waiting
      waiting = []
      const [only] = frames
      await stream.write(frames.length === 1 && only !== undefined ? only : Buffer.concat(frames))
    }
    sending = false // in the turn that saw nothing waiting: what comes next starts anew
  }

  return {
    send(frame) {
      if (failed) return
      waiting.push(frame)
      if (sending) return
      sending = true
      flush().catch((error: unknown) => {
        failed = true
        waiting = []
        onFailed(error)
      })
    },
  }
}
