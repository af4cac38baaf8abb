/**
 * A command asks for packages at once, while a node that has just started has no peers yet. If peers were named, exec waits
 * briefly until a peer has something, or until all named ones that could be reached have told that they have nothing, whoever else is
 * there; while none could be, one may still come. If peers must be found first, there may be none, and exec does not wait.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { ExecGateway } from './exec-gateway.ts'

const WAIT_MS = 2_000
const LOOK_MS = 50

export async function waitForPeers(gateway: ExecGateway, signal: AbortSignal): Promise<void> {
  if (!gateway.expectsPeers) return
  const deadline = performance.now() + WAIT_MS
  while (performance.now() < deadline && !signal.aborted) {
    if (gateway.hasHeardEnough()) return
    await sleep(LOOK_MS, undefined, { signal }).catch(() => undefined)
  }
}

/** What it needs of a node. */
interface NodeWithPeers {
  peers(): readonly { readonly artifacts: number }[]
  counts(): { readonly peers: number; readonly inventories: number }
  stats(): { readonly network: { readonly unmet: number } }
}

export function hasHeardEnough(node: NodeWithPeers): boolean {
  if (node.peers().some(({ artifacts }) => artifacts > 0)) return true
  const { peers, inventories } = node.counts()
  // Who of those that are there was named is not told apart: each of them has told. What costs most is looked at last.
  return inventories > 0 && inventories >= peers && node.stats().network.unmet === 0
}
