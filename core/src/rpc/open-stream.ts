/** Opens a stream within a deadline, and leaves none behind when it comes too late. */
import type { Clock } from '../timing/clock.ts'
import type { ByteStream, Host, PeerId } from '../host/host.ts'
import { withDeadline } from '../timing/deadline.ts'

export async function openStream(
  deps: { readonly host: Host; readonly clock: Clock },
  target: { readonly peer: PeerId; readonly protocol: string },
  options: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<ByteStream> {
  return withDeadline({ clock: deps.clock, ...options }, async (signal) => {
    const stream = await deps.host.open(target.peer, target.protocol, { signal })
    if (signal.aborted) stream.abort(toError(signal.reason))
    return stream
  })
}

export function toError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason))
}
