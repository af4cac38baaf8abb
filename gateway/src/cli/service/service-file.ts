/**
 * Writes the service's file and undoes that byte for byte. Never overwrites a file that another program has written or changed,
 * unless forced; the former content is restored on uninstall.
 */
import { createHash } from 'node:crypto'
import { chmod, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { CatalogError } from '@catalog-p2p/core'
import { readOwnedFile, removeOwnedFile, writeOwnedFile } from '../../clients/owned-file.ts'
import {
  readServiceState,
  removeEmpty,
  writeServiceState,
  type ServiceState,
} from './service-state.ts'

/** none: no file; ours: as we wrote it; changed: we wrote it and somebody else has changed it; foreign: not ours. */
export type FileCondition = 'none' | 'ours' | 'changed' | 'foreign'

/**
 * Readable by its owner only. systemd and launchd read it as the owner; launchd requires that others cannot write it, and only
 * the system's systemd (process 1) warns of files that not all can read.
 */
const MODE = 0o600

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
  { text, options, force }: { text: string; options: readonly string[]; force: boolean },
): Promise<{ action: 'written' | 'unchanged'; optionsBefore: readonly string[] }> {
  const bytes = Buffer.from(text)
  const condition = await conditionOf(file)
  if ((condition === 'foreign' || condition === 'changed') && !force)
    refuse(file, condition, 'over')
  const now = await readOwnedFile(file.path)
  const before = await stateOf(file)
  await writeServiceState(file.statePath, {
    version: 1,
    path: file.path,
    written: [...new Set([sha256(bytes), ...(before?.written.slice(0, 1) ?? [])])],
    ...(before === undefined ? await originalOf(file, now) : kept(before)),
    options: [...options],
  })
  const optionsBefore = before?.options ?? []
  // Before there is anything of ours in it: a file that is there keeps its mode when it is written.
  if (now !== undefined) await chmod(file.path, MODE)
  if (now?.equals(bytes) === true) return { action: 'unchanged', optionsBefore }
  await writeOwnedFile(file.path, bytes, MODE)
  return { action: 'written', optionsBefore }
}

type Original = Pick<ServiceState, 'original' | 'originalMode' | 'folders'>

async function originalOf({ path }: ServiceFile, now: Buffer | undefined): Promise<Original> {
  const folders = await missingFolders(dirname(path))
  if (now === undefined) return { original: null, folders }
  const originalMode = (await stat(path)).mode & 0o7777
  return { original: now.toString('base64'), originalMode, folders }
}

function kept({ original, originalMode, folders }: ServiceState): Original {
  return { original, ...(originalMode !== undefined && { originalMode }), folders }
}

/**
 * `gone`: we have installed it, and somebody has removed the file since; the service may run nevertheless.
 * @throws CatalogError INVALID_OPTIONS when it was changed and `force` is not given; or is not ours at all
 */
export async function checkUninstall(
  file: ServiceFile,
  force: boolean,
): Promise<FileCondition | 'gone'> {
  const condition = await conditionOf(file)
  if (condition === 'foreign' || (condition === 'changed' && !force)) {
    refuse(file, condition, 'away')
  }
  if (condition === 'none' && (await stateOf(file)) !== undefined) return 'gone'
  return condition
}

/** After checkUninstall(). */
export async function uninstallFile(
  file: ServiceFile,
): Promise<'removed' | 'restored' | 'forgotten' | 'unchanged'> {
  const state = await stateOf(file)
  if (state === undefined) return 'unchanged'
  const isThere = (await readOwnedFile(file.path)) !== undefined
  const original = state.original === null ? undefined : Buffer.from(state.original, 'base64')
  if (original !== undefined) {
    const mode = state.originalMode ?? 0o644
    await writeOwnedFile(file.path, original, mode)
    await chmod(file.path, mode)
  } else if (isThere) await removeOwnedFile(file.path)
  await writeServiceState(file.statePath, undefined)
  for (const folder of original === undefined ? state.folders : []) {
    // With something of others in it by now, it stays, and those around it.
    if (!(await removeEmpty(folder))) break
  }
  if (original !== undefined) return 'restored'
  return isThere ? 'removed' : 'forgotten'
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

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}
