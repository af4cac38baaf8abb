/**
 * Where Node keeps what it has compiled of this program, so that the next start need not (module.enableCompileCache): beside the
 * store, in a folder that nobody but this user can write to, for what is in there is run. Never a reason to fail: without it
 * everything only starts slower. NODE_COMPILE_CACHE names another place, NODE_DISABLE_COMPILE_CACHE=1 switches it off.
 */
import { lstatSync, mkdirSync, realpathSync } from 'node:fs'
import module from 'node:module'
import { dirname, join } from 'node:path'
import envPaths from 'env-paths'

const STICKY = 0o1000

/** Before what it is to speed up is imported. */
export function keepCompiled(
  folder = join(envPaths('catalog-p2p', { suffix: '' }).cache, 'compiled'),
): void {
  // Where it is on already, Node has been told a place.
  if (module.getCompileCacheDir() !== undefined) return
  try {
    makeFolder(folder)
    if (isOurs(folder)) module.enableCompileCache(folder)
  } catch {
    // no place for it
  }
}

/** At once, not at the end: a daemon may be killed, and the next one starts quicker all the same. */
export function writeCompiled(): void {
  module.flushCompileCache()
}

/** With its parents; not with Node's `recursive`, as core/src/disk/make-folder.ts says. */
function makeFolder(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST') return
    if (code !== 'ENOENT' || dirname(path) === path) throw error
    makeFolder(dirname(path))
    mkdirSync(path, { mode: 0o700 })
  }
}

/**
 * On Windows the folder of a user is theirs alone. Elsewhere nobody else may look into it, as Node makes folders in it with the modes that
 * the user's umask leaves; nor put another in its place, as whoever can write to a folder above it can.
 */
function isOurs(folder: string): boolean {
  const found = lstatSync(folder)
  const uid = process.getuid?.()
  if (uid === undefined) return found.isDirectory()
  if (!found.isDirectory() || found.uid !== uid || (found.mode & 0o077) !== 0) return false
  let above = dirname(realpathSync(folder))
  for (;;) {
    const { uid: owner, mode } = lstatSync(above)
    // In a sticky folder, as /tmp is, everybody moves only what is theirs.
    const isOpen = (mode & 0o022) !== 0 && (mode & STICKY) === 0
    if (isOpen || (owner !== uid && owner !== 0)) return false
    if (dirname(above) === above) return true
    above = dirname(above)
  }
}
