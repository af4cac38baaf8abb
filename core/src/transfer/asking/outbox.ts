/**
 * Sends small frames in order without making their sender wait: one write at a time, as a ByteStream asks for, and what comes
 * meanwhile goes out together. It does not bound how much waits; its users do.
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
    // A tick of the event loop, so that requests made together leave in one write.
    await new Promise(setImmediate)
    while (waiting.length > 0) {
      const frames = waiting
      waiting = []
      const [only] = frames
      await stream.write(frames.length === 1 && only !== undefined ? only : Buffer.concat(frames))
    }
    sending = false // in the tick that saw nothing waiting: what comes next starts anew
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
