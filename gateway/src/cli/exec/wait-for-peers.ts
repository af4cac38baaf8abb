/**
 * A command starts asking at once, and a node that has just started knows nobody yet. Where peers were named, it is worth
 * a moment to meet the first of them; where they have to be found, nobody knows whether there are any, and it is not.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { ExecGateway } from './exec-gateway.ts'

const WAIT_MS = 2_000
const LOOK_MS = 50

export async function waitForPeers(gateway: ExecGateway, signal: AbortSignal): Promise<void> {
  if (!gateway.expectsPeers) return
  const deadline = performance.now() + WAIT_MS
  while (performance.now() < deadline && !signal.aborted) {
    if (gateway.knownArtifacts() > 0) return
    await sleep(LOOK_MS, undefined, { signal }).catch(() => undefined)
  }
}
