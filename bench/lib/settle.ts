/** Between a warm-up and what is measured: what a node still writes and syncs in the background must be over. */
import { spawnSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'

/** A store writes after 0.1 s of rest and syncs a second later. */
const BACKGROUND_MS = 3_000

export async function settle(): Promise<void> {
  await sleep(BACKGROUND_MS)
  if (process.platform !== 'win32') spawnSync('sync')
}
