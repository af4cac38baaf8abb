/** Checks of this machine: Node, the store folder, its disk, the clock. */
import { randomBytes } from 'node:crypto'
import { rm, statfs, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { makeFolder } from '@catalog-p2p/core'
import { formatBytes, formatMs } from '../shell/format.ts'
import { fail, ok, reasonOf, warn, type Finding } from './check.ts'

const OLDEST_NODE: readonly [number, number] = [22, 19]
const CLOCK_TOLERANCE_MS = 5 * 60_000
const CLOCK_TIMEOUT_MS = 10_000

export function checkNode(version: string): Finding {
  const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number)
  const [needMajor, needMinor] = OLDEST_NODE
  const isEnough = major > needMajor || (major === needMajor && minor >= needMinor)
  if (isEnough) return ok('node', version)
  return fail('node', `${version} is too old`, `install Node ${OLDEST_NODE.join('.')} or newer`)
}

/** Writes and removes a file; makes the folder, as the daemon would. */
export async function checkStore(storePath: string): Promise<Finding> {
  const probe = join(storePath, `doctor.${randomBytes(6).toString('hex')}.tmp`)
  try {
    await makeFolder(storePath)
    await writeFile(probe, 'x')
    return ok('store', `${storePath} is writable`)
  } catch (error) {
    return fail(
      'store',
      `${storePath} can't be written to (${reasonOf(error)})`,
      'give yourself the rights to it, or name another folder with --store',
    )
  } finally {
    await rm(probe, { force: true }).catch(() => undefined) // it was never made
  }
}

export async function checkDisk(
  storePath: string,
  free: { quotaBytes: number; usedBytes: number },
) {
  const { quotaBytes, usedBytes } = free
  const stats = await statfsNear(storePath)
  if (stats === undefined) return warn('disk', 'free space is unknown', `check ${storePath}`)
  const available = stats.bavail * stats.bsize
  const wanted = Math.max(0, quotaBytes - usedBytes)
  const text = `${formatBytes(available)} free, up to ${formatBytes(wanted)} more may be used`
  if (available < 1_000_000_000) {
    return fail('disk', text, 'free some space, or name a folder on another disk with --store')
  }
  return available < wanted
    ? warn('disk', text, 'lower --quota, or free some space')
    : ok('disk', text)
}

/** The disk of the nearest folder that exists. */
async function statfsNear(path: string) {
  for (let folder = path; ; folder = dirname(folder)) {
    try {
      return await statfs(folder)
    } catch {
      if (dirname(folder) === folder) return undefined // not even the root
    }
  }
}

/** Compares the clock with the registry's Date header; certificates and signatures need it to be about right. */
export async function checkClock(upstream: string | null): Promise<Finding> {
  if (upstream === null) return ok('clock', 'not compared: there is no registry to compare with')
  try {
    const signal = AbortSignal.timeout(CLOCK_TIMEOUT_MS)
    const response = await fetch(upstream, { method: 'HEAD', redirect: 'manual', signal })
    const theirs = Date.parse(response.headers.get('date') ?? '')
    if (Number.isNaN(theirs)) return ok('clock', 'not compared: the registry names no time')
    const offMs = Math.abs(Date.now() - theirs)
    if (offMs <= CLOCK_TOLERANCE_MS) return ok('clock', 'agrees with the registry')
    return warn('clock', `is off by ${formatMs(offMs)}`, 'set it, or let the system keep it (NTP)')
  } catch (error) {
    return ok('clock', `not compared: ${reasonOf(error)}`)
  }
}
