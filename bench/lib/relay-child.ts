/**
 * What lies between this machine and a server far away, in time: a TCP relay on loopback that passes bytes on after half a round
 * trip, each way, and lets a connection begin after the round trips that TCP and TLS need for their greetings. How many bytes a
 * second get through is for the line that it connects over (`tc`). It never holds more of a connection than a window.
 */
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { answerCalls } from './child.ts'

export interface RelayOptions {
  /** On loopback. */
  readonly port: number
  readonly to: { readonly host: string; readonly port: number }
  readonly roundTripMs: number
  /** What is passed on is TLS: its greetings take their round trips by themselves. */
  readonly speaksTls: boolean
}

/** TCP's own, and TLS 1.3's, which every such server speaks in life. */
const GREETINGS = { tcp: 1, tls: 1 }
/** Under way in one direction, as what a receiver lets a sender send: 50 ms of 640 Mbit/s. */
const WINDOW_BYTES = 4_000_000

const servers: Server[] = []

/** Reads from one socket, and writes the same to the other `delayMs` later, not before `notBeforeMs`. */
function passOn(
  from: Socket,
  to: Socket,
  { delayMs, notBeforeMs }: { delayMs: number; notBeforeMs: number },
): void {
  const held: { readonly dueMs: number; readonly bytes: Buffer | undefined }[] = []
  let heldBytes = 0
  let timer: NodeJS.Timeout | undefined
  let isFull = false
  const release = (): void => {
    timer = undefined
    for (let next = held[0]; next !== undefined; next = held[0]) {
      const waitMs = next.dueMs - performance.now()
      if (waitMs > 0) {
        timer = setTimeout(release, waitMs)
        return
      }
      held.shift()
      if (next.bytes === undefined) return void to.end()
      heldBytes -= next.bytes.byteLength
      if (heldBytes < WINDOW_BYTES) from.resume()
      if (to.write(next.bytes)) continue
      isFull = true
      to.once('drain', () => {
        isFull = false
        release()
      })
      return
    }
  }
  const hold = (bytes: Buffer | undefined): void => {
    const dueMs = Math.max(performance.now(), notBeforeMs) + delayMs
    held.push({ dueMs, bytes })
    heldBytes += bytes?.byteLength ?? 0
    if (heldBytes >= WINDOW_BYTES) from.pause()
    if (held.length === 1 && !isFull) timer ??= setTimeout(release, dueMs - performance.now())
  }
  from.on('data', hold)
  from.on('end', () => hold(undefined))
  from.on('close', () => {
    if (from.errored !== null) to.destroy()
  })
  from.on('error', () => undefined) // 'close' follows
  to.on('close', () => {
    clearTimeout(timer)
    from.destroy()
  })
}

answerCalls(
  {
    /** The port that it listens on. */
    async start({ port, to, roundTripMs, speaksTls }: RelayOptions): Promise<number> {
      const greetings = GREETINGS.tcp + (speaksTls ? 0 : GREETINGS.tls)
      const server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
        const far = connect({ ...to, noDelay: true, allowHalfOpen: true })
        const delayMs = roundTripMs / 2
        const begunMs = performance.now() + greetings * roundTripMs
        passOn(near, far, { delayMs, notBeforeMs: begunMs })
        passOn(far, near, { delayMs, notBeforeMs: 0 })
      })
      servers.push(server)
      await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
      return (server.address() as AddressInfo).port
    },
  },
  () => Promise.resolve(),
)
