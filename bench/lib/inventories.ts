/** Waits until a node has received the inventories of its peers, which every measurement needs. */
import type { Child } from './child.ts'

const DEADLINE_MS = 20_000

/** Until `peers` peers have each announced `artifacts` or more; throws after a deadline. */
export async function waitForInventories(
  node: Child,
  peers: number,
  artifacts: number,
): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS
  while (performance.now() < deadline) {
    const known = await node.call<{ artifacts: number }[]>('peers')
    if (known.filter((peer) => peer.artifacts >= artifacts).length >= peers) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  throw new Error('the providers did not announce their artifacts in time')
}
