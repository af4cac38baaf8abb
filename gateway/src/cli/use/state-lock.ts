/**
 * One `catalog use` or `unuse` at a time: each reads the state, works, and writes it, so two at once would lose what the other
 * noted, and with it how to undo it. A file that only one can make; one whose maker has died, or that is older than any of
 * these commands can run, is taken over. Never waits without end.
 */
import { randomUUID } from 'node:crypto'
import { link, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { CatalogError, errnoOf } from '@catalog-p2p/core'

const WAIT_MS = 10_000
const RETRY_MS = 25
/** Some small files are read and written in it. */
const STALE_MS = 60_000

const holderSchema = z.object({ pid: z.number().int().positive(), nonce: z.string() })

/**
 * Runs `work` while no other process runs one for the same state.
 * @throws CatalogError STORE_LOCKED when somebody else is at it for longer than `waitMs`, STORE_FAILED
 */
export async function withStateLock<T>(
  statePath: string,
  work: () => Promise<T>,
  { waitMs = WAIT_MS }: { waitMs?: number } = {},
): Promise<T> {
  const path = `${statePath}.lock`
  const nonce = randomUUID()
  await acquire(path, nonce, waitMs)
  try {
    return await work()
  } finally {
    // Not one that somebody took over because we were stopped for so long.
    if ((await readLock(path))?.text.includes(nonce) === true) await rm(path, { force: true })
  }
}

async function acquire(path: string, nonce: string, waitMs: number): Promise<void> {
  const untilMs = performance.now() + waitMs
  await makeFolder(dirname(path))
  for (;;) {
    if (await create(path, nonce)) return
    const found = await readLock(path)
    const isFree = found === undefined || (isStale(found) && (await takeAway(path, found, nonce)))
    if (performance.now() >= untilMs) throw busy(path, found)
    if (!isFree) await sleep(RETRY_MS)
  }
}

async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true })
  } catch (error) {
    const code = errnoOf(error) ?? ''
    throw new CatalogError('STORE_FAILED', `${path}: can't be made (${code})`, { cause: error })
  }
}

async function create(path: string, nonce: string): Promise<boolean> {
  try {
    const file = await open(path, 'wx', 0o600)
    try {
      await file.writeFile(JSON.stringify({ pid: process.pid, nonce }))
    } finally {
      await file.close()
    }
    return true
  } catch (error) {
    const code = errnoOf(error) ?? ''
    if (code === 'EEXIST' || isBeingRemoved(code)) return false
    throw new CatalogError('STORE_FAILED', `${path}: can't be made (${code})`, { cause: error })
  }
}

/** On Windows such a file can't be opened for a moment. */
function isBeingRemoved(code: string): boolean {
  return code === 'EPERM' && process.platform === 'win32'
}

interface Lock {
  readonly text: string
  readonly pid: number | undefined
  readonly ageMs: number
}

/** undefined: there is none any more. */
async function readLock(path: string): Promise<Lock | undefined> {
  try {
    const [text, { mtimeMs }] = [await readFile(path, 'utf8'), await stat(path)]
    return { text, pid: holderOf(text), ageMs: Date.now() - mtimeMs }
  } catch (error) {
    const code = errnoOf(error) ?? ''
    if (code === 'ENOENT') return undefined
    if (isBeingRemoved(code)) return { text: '', pid: undefined, ageMs: 0 }
    throw new CatalogError('STORE_FAILED', `${path}: can't be read (${code})`, { cause: error })
  }
}

/** undefined for a text that was just begun. */
function holderOf(text: string): number | undefined {
  try {
    return holderSchema.parse(JSON.parse(text)).pid
  } catch {
    return undefined // its maker has not written it yet, or died before
  }
}

function isStale({ pid, ageMs }: Lock): boolean {
  return ageMs > STALE_MS || (pid !== undefined && !isAlive(pid))
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return errnoOf(error) !== 'ESRCH' // it is there, and somebody else's
  }
}

/** Moved away first: if it is not the one that was looked at, somebody was faster, and theirs goes back. */
async function takeAway(path: string, { text }: Lock, nonce: string): Promise<boolean> {
  const aside = `${path}.${nonce}`
  try {
    await rename(path, aside)
    if ((await readFile(aside, 'utf8')) !== text) await link(aside, path)
    return true
  } catch (error) {
    const code = errnoOf(error) ?? ''
    if (!['ENOENT', 'EEXIST', 'EPERM', 'EACCES', 'EBUSY'].includes(code)) throw error
    return false // somebody else has done so, or holds it open
  } finally {
    await rm(aside, { force: true })
  }
}

function busy(path: string, found: Lock | undefined): CatalogError {
  const who = found?.pid === undefined ? 'another process' : `process ${found.pid}`
  return new CatalogError('STORE_LOCKED', `another "catalog use" or "unuse" is at work (${who})`, {
    hint: `try again when it is done; if there is none, remove ${path}`,
  })
}
