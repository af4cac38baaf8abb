/**
 * The rest before a measurement (stage.ts): for what processes do within seconds of their last request, and to get the machine its
 * memory back. A virtual machine returns free memory to its host within a second, and getting it back costs up to 3 ms per MB, which
 * only the first process to use it would pay.
 */
import { spawnSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'

/** A gateway writes its tables a second after the last request. */
const BACKGROUND_MS = 3_000
/** More than any part of a benchmark allocates. */
const TOUCHED_BYTES = 1_500_000_000

export async function rest(): Promise<void> {
  await sleep(BACKGROUND_MS)
  if (process.platform !== 'win32') spawnSync('sync')
  touchMemory()
}

/** In a process of its own, whose end frees all of it. */
function touchMemory(): void {
  const script = `Buffer.alloc(${TOUCHED_BYTES}, 1)`
  spawnSync(process.execPath, ['-e', script], { stdio: 'ignore' })
}
