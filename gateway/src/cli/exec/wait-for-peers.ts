/**
 * A command asks for packages at once, while a node that has just started has no peers yet. If peers were named, exec waits
 * briefly until one has told what it holds, be it nothing; if they must be found first, there may be none, and exec does not wait.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { ExecGateway } from './exec-gateway.ts'

const WAIT_MS = 2_000
const LOOK_MS = 50

export async function waitForPeers(gateway: ExecGateway, signal: AbortSignal): Promise<void> {
  if (!gateway.expectsPeers) return
  const deadline = performance.now() + WAIT_MS
  while (performance.now() < deadline && !signal.aborted) {
    if (gateway.hasHeardOfOne()) return
    await sleep(LOOK_MS, undefined, { signal }).catch(() => undefined)
  }
}
