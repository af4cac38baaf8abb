/**
 * The invites that this machine has given out, a file each beside the swarm's. The daemon looks them up when somebody comes with
 * one. What counts once is used by renaming its file: of two that come at the same time only one gets that done, and a crash
 * after it costs the invite, never the swarm.
 */
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, readdir, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { CatalogError, errnoOf, inviteIdOf, renameOver, type OpenInvite } from '@catalog-p2p/core'
import { replaceFile } from '../replace-file.ts'

const inviteSchema = z.strictObject({
  secret: z.base64url(),
  /** Unix time. */
  untilMs: z.number(),
  /** It counts once; otherwise as often as somebody comes until then. */
  once: z.boolean(),
})

type StoredInvite = z.output<typeof inviteSchema>

/** Used and expired invites are told apart from unknown ones for so long. */
const REMEMBER_MS = 30 * 86_400_000
const ID = /^[0-9a-f]{16}$/

export interface InviteBook {
  add(invite: { secret: Uint8Array; untilMs: number; once: boolean }): Promise<void>
  find(id: string): OpenInvite | undefined
  /** None of them counts any more. */
  forgetAll(): Promise<void>
}

export interface InviteBookDependencies {
  /** What the bearer gets. */
  readonly gift: () => Uint8Array
  readonly onUsed: (id: string) => void
  /** Unix time; the system's clock unless given. */
  readonly now?: () => number
}

export function inviteFolder(swarmPath: string): string {
  return join(dirname(swarmPath), 'swarm-invites')
}

export function openInviteBook(
  folder: string,
  { gift, onUsed, now = Date.now }: InviteBookDependencies,
): InviteBook {
  const openPath = (id: string): string => join(folder, `${id}.json`)
  const usedPath = (id: string): string => join(folder, `${id}.used`)

  async function redeem(id: string, { untilMs, once }: StoredInvite): Promise<Uint8Array> {
    if (now() >= untilMs) throw new Error(`the invite ended at ${new Date(untilMs).toISOString()}`)
    if (once && !(await moveAway(openPath(id), usedPath(id)))) throw new Error(USED)
    onUsed(id)
    return gift()
  }

  return {
    async add({ secret, untilMs, once }) {
      await mkdir(folder, { recursive: true, mode: 0o700 })
      await removeOld(folder, now() - REMEMBER_MS)
      const stored = { secret: Buffer.from(secret).toString('base64url'), untilMs, once }
      const bytes = Buffer.from(`${JSON.stringify(inviteSchema.parse(stored))}\n`)
      await replaceFile(openPath(inviteIdOf(secret)), bytes, { mode: 0o600, keepMode: false })
    },
    find(id) {
      if (!ID.test(id)) return undefined
      // In this order: it moves from the one to the other.
      const stored = read(openPath(id))
      if (stored !== undefined) {
        return { secret: secretOf(stored), redeem: () => redeem(id, stored) }
      }
      const used = read(usedPath(id))
      return used && { secret: secretOf(used), redeem: () => Promise.reject(new Error(USED)) }
    },
    forgetAll: () => rm(folder, { recursive: true, force: true }),
  }
}

const USED = 'the invite was used before'

function secretOf({ secret }: StoredInvite): Uint8Array {
  return Buffer.from(secret, 'base64url')
}

/** Undefined where there is none that makes sense. */
function read(path: string): StoredInvite | undefined {
  if (!existsSync(path)) return undefined
  try {
    return inviteSchema.parse(JSON.parse(readFileSync(path, 'utf8')))
  } catch {
    // Moved away meanwhile, or written by somebody else: no invite.
    return undefined
  }
}

/** False when somebody else was first. @throws CatalogError STORE_FAILED: then it is not known to be used, and counts for nobody */
async function moveAway(from: string, to: string): Promise<boolean> {
  try {
    await renameOver(from, to)
    return true
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false
    throw new CatalogError('STORE_FAILED', 'the invite could not be noted as used', {
      cause: error,
    })
  }
}

async function removeOld(folder: string, beforeMs: number): Promise<void> {
  for (const name of await readdir(folder)) {
    const path = join(folder, name)
    const { mtimeMs } = await stat(path)
    if (mtimeMs < beforeMs) await rm(path, { force: true })
  }
}
