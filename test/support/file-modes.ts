/**
 * Children that file modes hold for, though the tests run as root, as in containers: root without the capabilities that
 * let it pass modes by (capabilities(7)). It stays root, so it can read sources in a folder that only root may enter.
 * Never changes the calling process.
 */
import { spawnSync } from 'node:child_process'
import { chmod, readdir } from 'node:fs/promises'
import { join } from 'node:path'

const isRoot = process.getuid?.() === 0
const SETPRIV = ['setpriv', '--bounding-set=-dac_override,-dac_read_search']

/** Why such children can't be started here; undefined when they can. */
export function whyModesAreIgnored(): string | undefined {
  if (process.platform === 'win32') return 'Windows has no file modes'
  if (!isRoot) return undefined
  const [command = '', ...args] = [...SETPRIV, 'true']
  if (spawnSync(command, args, { timeout: 10_000 }).status === 0) return undefined
  return 'root ignores file modes, and setpriv (util-linux) is not here to change that'
}

/** The command line that runs `command` in such a child. */
export function heedingModes(command: readonly string[]): [string, ...string[]] {
  const [first = '', ...rest] = isRoot ? [...SETPRIV, ...command] : command
  return [first, ...rest]
}

/** Everything in the folder, and the folder itself: to be read, not to be written. */
export async function makeReadOnly(folder: string): Promise<void> {
  await setModes(folder, { folder: 0o555, file: 0o444 })
}

/** So that the folder can be removed again. */
export async function makeWritable(folder: string): Promise<void> {
  await setModes(folder, { folder: 0o755, file: 0o644 })
}

async function setModes(root: string, modes: { folder: number; file: number }): Promise<void> {
  await chmod(root, 0o755) // to be listed
  const entries = await readdir(root, { recursive: true, withFileTypes: true })
  for (const entry of entries) {
    await chmod(join(entry.parentPath, entry.name), entry.isDirectory() ? modes.folder : modes.file)
  }
  await chmod(root, modes.folder)
}
