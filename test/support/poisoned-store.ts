/**
 * What somebody who may write a store folder can do to it: one function for each kind of file and of harm. They change whatever
 * they find, so that a file that comes to be in the store is poisoned as well.
 */
import { execFileSync } from 'node:child_process'
import {
  chmod,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { basename, dirname, join, relative } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fingerprintOf } from '../../core/src/store/fs/file-fingerprint.ts'

export type Poison = (store: string, elsewhere: string) => Promise<void>

/** Of artifacts, in a fixed order. */
export async function artifactFiles(store: string): Promise<string[]> {
  const files = await filesIn(join(store, 'artifacts-v1'))
  return files.sort((a, b) => basename(a).localeCompare(basename(b)))
}

async function otherFiles(store: string): Promise<string[]> {
  const files = await filesIn(store)
  return files.filter((path) => !relative(store, path).startsWith('artifacts-v1'))
}

async function filesIn(folder: string): Promise<string[]> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true })
  return found.filter((each) => each.isFile()).map((each) => join(each.parentPath, each.name))
}

/** Other bytes under every name, of the same length and times, each vouched for by the index. */
export const swappedArtifacts: Poison = async (store) => {
  const database = new DatabaseSync(join(store, 'store.sqlite'))
  const vouch = database.prepare(
    'UPDATE entries SET mark = ?, synced = 1, size = ? WHERE digest = ?',
  )
  for (const path of await artifactFiles(store)) {
    const bytes = await readFile(path)
    const { atime, mtime } = await stat(path)
    await writeFile(path, flipped(bytes))
    await utimes(path, atime, mtime)
    const mark = fingerprintOf(await stat(path, { bigint: true }))
    vouch.run(mark, bytes.length, Buffer.from(basename(path), 'hex'))
  }
  database.close()
}

/** Every artifact harmed in another way. */
export const harmedArtifacts: Poison = async (store, elsewhere) => {
  const files = await artifactFiles(store)
  const ways: readonly ((path: string) => Promise<unknown>)[] = [
    (path) => truncate(path, 10),
    (path) => truncate(path, 0),
    (path) => truncate(path, 3e12), // a hole
    async (path) => writeFile(path, Buffer.concat([await readFile(path), Buffer.from('x')])),
    async (path) => writeFile(path, await readFile(files.find((other) => other !== path) ?? path)),
    async (path) => {
      const target = join(elsewhere, basename(path))
      await rename(path, target)
      await symlink(target, path)
    },
    async (path) => (await rm(path), await symlink(join(elsewhere, 'nothing'), path)),
    async (path) => (await rm(path), pipe(path)),
    async (path) => (await rm(path), await mkdir(join(path, 'in', 'it'), { recursive: true })),
    (path) => chmod(path, 0),
    (path) => chmod(path, 0o666),
    async (path) => {
      const shard = dirname(path)
      const target = join(elsewhere, `shard-${basename(shard)}`)
      await rename(shard, target)
      await symlink(target, shard)
    },
    (path) => chmod(dirname(path), 0),
  ]
  for (const [index, path] of files.entries()) await ways[index % ways.length]?.(path)
}

/** Databases that say of everything something else. */
export const editedRows: Poison = async (store) => {
  for (const path of await otherFiles(store)) {
    if (!/\.(sqlite|db)$/.test(path)) continue
    const database = new DatabaseSync(path)
    for (const { name } of database
      .prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")
      .all()) {
      try {
        shuffle(database, String(name))
      } catch {
        // A table behind a table can't be changed directly.
      }
    }
    database.close()
  }
}

/** Each row gets, column by column, what the next one had, as far as keys allow it. */
function shuffle(database: DatabaseSync, table: string): void {
  const columns = database.prepare(`SELECT name FROM pragma_table_info('${table}')`).all()
  for (const column of columns.map(({ name }) => String(name))) {
    const values = database.prepare(`SELECT DISTINCT ${column} AS value FROM ${table}`).all()
    const [first, second] = values.map(({ value }) => value ?? null)
    if (first === undefined || second === undefined) continue
    database
      .prepare(`UPDATE OR IGNORE ${table} SET ${column} = ? WHERE ${column} IS NOT ?`)
      .run(first, first)
  }
}

export const flippedFiles: Poison = async (store) => {
  for (const path of await otherFiles(store)) await writeFile(path, flipped(await readFile(path)))
}

/** Whoever opens one for reading waits for ever. */
export const pipesForFiles: Poison = async (store) => {
  for (const path of await otherFiles(store)) {
    await rm(path)
    pipe(path)
  }
  pipe(join(store, 'daemon.json'))
}

/** Whoever writes to one writes elsewhere; whoever empties a folder empties another. */
export const linksForFiles: Poison = async (store, elsewhere) => {
  for (const name of await readdir(store)) {
    if (name.startsWith('artifacts')) continue
    const target = join(elsewhere, name)
    await rename(join(store, name), target)
    await symlink(target, join(store, name))
  }
  for (const name of ['daemon.json', 'store.sqlite-wal', 'frozen-trust-stale']) {
    const target = join(elsewhere, `${name}.victim`)
    await writeFile(target, 'precious')
    await rm(join(store, name), { force: true })
    await symlink(target, join(store, name))
  }
}

function pipe(path: string): void {
  execFileSync('mkfifo', [path])
}

function flipped(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes)
  for (let at = copy.length >> 1; at < copy.length; at += 997) copy[at] = (copy[at] ?? 0) ^ 0x55
  return copy
}
