/**
 * Counts the signatures that a process verifies, in all of its threads, where it is told to before it loads anything else. A thread tells
 * its count once it has nothing else to do.
 */
import crypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import { BroadcastChannel, isMainThread } from 'node:worker_threads'

const CHANNEL = 'bench-checks'

let total = 0

/** So far. */
export function countedChecks(): number {
  return total
}

export function countChecks(): void {
  const channel = new BroadcastChannel(CHANNEL)
  channel.unref()
  channel.onmessage = (message) => {
    const { data } = message as { data: number }
    if (isMainThread) total += data
  }
  let untold = 0
  const { verify } = crypto
  const counted = (...args: unknown[]): unknown => {
    if (isMainThread) total += 1
    else if ((untold += 1) === 1) {
      setImmediate(() => {
        channel.postMessage(untold)
        untold = 0
      })
    }
    return Reflect.apply(verify, crypto, args)
  }
  Object.assign(crypto, { verify: counted })
  syncBuiltinESMExports()
}
