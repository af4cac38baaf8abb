/**
 * Between a warm-up and what is measured: what a node still writes and syncs in the background must be over, and the memory
 * of this machine must be there. A virtual machine gives free memory back to its host within a second, and getting it again
 * costs up to 3 ms a MB: whoever takes memory first would pay for it, and the others not.
 */
import { spawnSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'

/** A store writes after half a second of rest and syncs a second later. */
const BACKGROUND_MS = 3_000
/** More than any part of a benchmark takes anew. */
const TOUCHED_BYTES = 1_500_000_000

export async function quiesce(): Promise<void> {
  await sleep(BACKGROUND_MS)
  if (process.platform !== 'win32') spawnSync('sync')
  touchMemory()
}

/** In a process of its own, so that all of it is free again afterwards. */
function touchMemory(): void {
  const script = `Buffer.alloc(${TOUCHED_BYTES}, 1)`
  spawnSync(process.execPath, ['-e', script], { stdio: 'ignore' })
}
