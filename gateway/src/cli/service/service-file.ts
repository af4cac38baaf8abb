/**
 * Writing the service's file and undoing it: byte for byte, and never over what somebody else has written or changed, unless
 * told to. What was there before comes back.
 */
import { createHash } from 'node:crypto'
import { rmdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { CatalogError } from '@catalog-p2p/core'
import { readOwnedFile, removeOwnedFile, writeOwnedFile } from '../clients/owned-file.ts'
import { readServiceState, writeServiceState, type ServiceState } from './service-state.ts'

/** none: no file; ours: as we wrote it; changed: we wrote it and somebody else has changed it; foreign: not ours. */
export type FileCondition = 'none' | 'ours' | 'changed' | 'foreign'

export interface ServiceFile {
  readonly path: string
  /** Of service-state.ts. */
  readonly statePath: string
}

export async function conditionOf(file: ServiceFile): Promise<FileCondition> {
  const now = await readOwnedFile(file.path)
  if (now === undefined) return 'none'
  const state = await stateOf(file)
  if (state === undefined) return 'foreign'
  return state.written.includes(sha256(now)) ? 'ours' : 'changed'
}

/** @throws CatalogError INVALID_OPTIONS when it is somebody else's, or changed, and `force` is not given */
export async function installFile(
  file: ServiceFile,
  { text, force }: { text: string; force: boolean },
): Promise<'written' | 'unchanged'> {
  const bytes = Buffer.from(text)
  const condition = await conditionOf(file)
  if ((condition === 'foreign' || condition === 'changed') && !force)
    refuse(file, condition, 'over')
  const now = await readOwnedFile(file.path)
  const before = await stateOf(file)
  const original = before === undefined ? (now?.toString('base64') ?? null) : before.original
  await writeServiceState(file.statePath, {
    version: 1,
    path: file.path,
    written: [...new Set([sha256(bytes), ...(before?.written.slice(0, 1) ?? [])])],
    original,
    folders: before?.folders ?? (await missingFolders(dirname(file.path))),
  })
  if (now?.equals(bytes) === true) return 'unchanged'
  await writeOwnedFile(file.path, bytes, 0o644)
  return 'written'
}

/** @throws CatalogError INVALID_OPTIONS when it was changed and `force` is not given; or is not ours at all */
export async function checkUninstall(file: ServiceFile, force: boolean): Promise<FileCondition> {
  const condition = await conditionOf(file)
  if (condition === 'foreign' || (condition === 'changed' && !force)) {
    refuse(file, condition, 'away')
  }
  return condition
}

/** After checkUninstall(). */
export async function uninstallFile(
  file: ServiceFile,
): Promise<'removed' | 'restored' | 'unchanged'> {
  const state = await stateOf(file)
  if (state === undefined) return 'unchanged'
  const isThere = (await readOwnedFile(file.path)) !== undefined
  const original = state.original === null ? undefined : Buffer.from(state.original, 'base64')
  if (original !== undefined) await writeOwnedFile(file.path, original, 0o644)
  else if (isThere) await removeOwnedFile(file.path)
  await writeServiceState(file.statePath, undefined)
  for (const folder of original === undefined ? state.folders : []) {
    // With something of others in it by now, it stays, and those around it.
    if (!(await removeEmpty(folder))) break
  }
  if (original !== undefined) return 'restored'
  return isThere ? 'removed' : 'unchanged'
}

/** Only what is known of this very path: another XDG_CONFIG_HOME is another place. */
async function stateOf(file: ServiceFile): Promise<ServiceState | undefined> {
  const state = await readServiceState(file.statePath)
  if (state === undefined || state.path === file.path) return state
  throw new CatalogError('INVALID_OPTIONS', `the service was installed as ${state.path}`, {
    hint: 'uninstall it with the XDG_CONFIG_HOME and HOME that it was installed with',
  })
}

function refuse(
  { path }: ServiceFile,
  condition: 'foreign' | 'changed',
  way: 'over' | 'away',
): never {
  const whose = condition === 'foreign' ? 'not written by "catalog service"' : 'changed since'
  throw new CatalogError('INVALID_OPTIONS', `${path}: ${whose}, so it stays as it is`, {
    hint:
      condition === 'foreign' && way === 'away'
        ? 'remove it by hand if you do not want it'
        : 'look at it; --force takes it away, and uninstall brings back what was there before us',
  })
}

async function missingFolders(folder: string): Promise<string[]> {
  const missing: string[] = []
  for (let at = folder; !(await exists(at)) && dirname(at) !== at; at = dirname(at)) {
    missing.push(at)
  }
  return missing
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}

async function removeEmpty(folder: string): Promise<boolean> {
  return rmdir(folder).then(
    () => true,
    () => false,
  )
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}
