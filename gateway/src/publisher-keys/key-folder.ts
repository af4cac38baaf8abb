/**
 * The publishers' keys of this user: a folder of its own beside the settings, a file per key, named as its owner calls it. Nothing is ever
 * overwritten: a key that was replaced keeps its file under another name, because what it signed is still out there.
 */
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { CatalogError, errnoOf, type KeyId } from '@catalog-p2p/core'
import { replaceFile } from '../replace-file.ts'
import { requireRegularFile } from '../regular-file.ts'
import {
  formatKeyFile,
  isKeyName,
  MAX_KEY_FILE_BYTES,
  parseKeyFile,
  type KeyFile,
} from './key-file.ts'

const SUFFIX = '.json'
const MAX_KEYS = 1_000
const MODE = { mode: 0o600, keepMode: false }

export interface NamedKey extends KeyFile {
  readonly name: string
}

export interface KeyFolder {
  readonly path: string
  /** By name. A file that is none of ours is reported, not thrown away. */
  list(): Promise<{ readonly keys: NamedKey[]; readonly problems: string[] }>
  /** @throws CatalogError NOT_FOUND, INVALID_KEY */
  read(name: string): Promise<NamedKey>
  /** The key with this id, whatever it is called. */
  find(id: KeyId): Promise<NamedKey | undefined>
  /** @throws CatalogError INVALID_OPTIONS for a name that is taken, or can't be a file's */
  add(name: string, file: KeyFile): Promise<void>
  /** The one that was there is then `<name>.<date>`. @throws CatalogError NOT_FOUND */
  replace(name: string, file: KeyFile): Promise<{ readonly oldName: string }>
}

/** @param configFolder where settings are */
export function openKeyFolder(configFolder: string): KeyFolder {
  const path = join(configFolder, 'keys')
  const pathOf = (name: string): string => join(path, `${checked(name)}${SUFFIX}`)

  async function list(): Promise<{ keys: NamedKey[]; problems: string[] }> {
    const files = await readdir(path).catch(ignoreAbsent)
    const keys: NamedKey[] = []
    const problems: string[] = []
    const names = (files ?? []).flatMap((file) =>
      file.endsWith(SUFFIX) ? [file.slice(0, -SUFFIX.length)] : [],
    )
    for (const name of names.filter(isKeyName).sort().slice(0, MAX_KEYS)) {
      try {
        keys.push({ name, ...(await readKeyFile(pathOf(name))) })
      } catch (error) {
        problems.push(error instanceof Error ? error.message : String(error))
      }
    }
    return { keys, problems }
  }

  return {
    path,
    list,
    async read(name) {
      const file = await readKeyFile(pathOf(name)).catch(ignoreAbsent)
      if (file === undefined) throw notFound(name)
      return { name, ...file }
    },
    find: async (id) => (await list()).keys.find((key) => key.id === id),
    add: (name, file) => writeNew(path, pathOf(name), file),
    async replace(name, file) {
      const day = new Date().toISOString().slice(0, 10)
      const taken = new Set((await list()).keys.map((key) => key.name))
      let oldName = `${name}.${day}`
      for (let count = 2; taken.has(oldName); count += 1) oldName = `${name}.${day}.${count}`
      // First the old one under its new name: whatever happens now, no key is lost.
      const old = await readKeyFile(pathOf(name)).catch(ignoreAbsent)
      if (old === undefined) throw notFound(name)
      await writeNew(path, pathOf(oldName), old)
      await replaceFile(pathOf(name), Buffer.from(formatKeyFile(file)), MODE)
      return { oldName }
    },
  }
}

function checked(name: string): string {
  if (isKeyName(name)) return name
  throw new CatalogError('INVALID_OPTIONS', `not a name for a key: ${name.slice(0, 100)}`, {
    hint: 'use small letters, digits, dots, dashes and underscores, 64 at most',
  })
}

/** @throws Node's errors; CatalogError INVALID_KEY, INVALID_OPTIONS for a pipe */
export async function readKeyFile(path: string): Promise<KeyFile> {
  const stats = await stat(path)
  requireRegularFile(path, stats)
  if (stats.size > MAX_KEY_FILE_BYTES) {
    throw new CatalogError('INVALID_KEY', `${path}: ${stats.size} bytes are too many for a key`)
  }
  return parseKeyFile(await readFile(path, 'utf8'), path)
}

/** Takes the name, which must be free, then writes: of two at a time the second one fails, and no file is ever half of a key. */
async function writeNew(folder: string, path: string, file: KeyFile): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  try {
    await writeFile(path, '', { flag: 'wx', mode: 0o600 })
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error
    throw new CatalogError('INVALID_OPTIONS', `there is a key at ${path} already`, {
      hint: 'name the new one otherwise; catalog key rotate replaces a key and keeps the old one',
    })
  }
  try {
    await replaceFile(path, Buffer.from(formatKeyFile(file)), MODE)
  } catch (error) {
    await rm(path, { force: true })
    throw error
  }
}

function notFound(name: string): CatalogError {
  return new CatalogError('NOT_FOUND', `there is no key "${name}"`, {
    hint: 'catalog key list shows those that are there; catalog key new makes one, catalog ca init that of a root',
  })
}

function ignoreAbsent(error: unknown): undefined {
  if (errnoOf(error) !== 'ENOENT') throw error
}
