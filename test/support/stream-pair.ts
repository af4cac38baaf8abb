/** Two connected in-memory streams, for tests of one side of a protocol. */
import { systemClock, type Clock } from '../../core/src/timing/clock.ts'
import type { ByteStream } from '../../core/src/host/host.ts'
import { createMemoryStreamPair } from '../../core/src/host/memory-stream.ts'

export interface StreamPair {
  /** The end that is tested; it talks to `remote`. */
  readonly local: ByteStream
  readonly remote: ByteStream
  /** While true, what the remote end writes does not arrive. */
  silent: boolean
}

export function streamPair(clock: Clock = systemClock, maxInboundBytes = 32 * 2 ** 20): StreamPair {
  let heard: PromiseWithResolvers<void> | undefined
  const clear = { latencyMs: () => 0, isLost: () => false }
  const { local, remote } = createMemoryStreamPair({
    protocol: '/catalog/transfer/3.0.0',
    clock,
    maxInboundBytes,
    local: { peer: 'remote', link: { ...clear, untilClear: () => undefined } },
    remote: { peer: 'local', link: { ...clear, untilClear: () => heard?.promise } },
    onClosed: () => undefined,
  })
  return {
    local,
    remote,
    get silent() {
      return heard !== undefined
    },
    set silent(silent) {
      if (silent) heard ??= Promise.withResolvers()
      else {
        heard?.resolve()
        heard = undefined
      }
    },
  }
}
