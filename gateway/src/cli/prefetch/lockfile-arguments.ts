/** Lockfiles named on the command line: a file, or a folder with lockfiles in it. Reads with a bound. */
import { readFile, readdir, stat } from 'node:fs/promises'
import { dirname, join, relative, resolve } from 'node:path'
import { CatalogError } from '@catalog-p2p/core'
import { MAX_LOCKFILE_LENGTH, parseLockfile } from '../../lockfiles/lockfile.ts'
import type { LockfilePackages } from '../../lockfiles/package-collector.ts'

const NAMES = [
  'npm-shrinkwrap.json',
  'package-lock.json',
  'pnpm-lock.yaml',
  'yarn.lock',
  'bun.lock',
  'deno.lock',
]

export interface ReadLockfile {
  /** As a user would write it. */
  readonly name: string
  /** Whole. */
  readonly folder: string
  readonly lock: LockfilePackages
}

/** @throws CatalogError INVALID_LOCKFILE, INVALID_OPTIONS when a file is not there */
export async function readLockfiles(
  cwd: string,
  given: readonly string[],
): Promise<ReadLockfile[]> {
  const read: ReadLockfile[] = []
  for (const path of given) read.push(await readOne(cwd, resolve(cwd, path)))
  return read
}

async function readOne(cwd: string, path: string): Promise<ReadLockfile> {
  const file = await stat(path).catch((error: unknown) => {
    throw new CatalogError('INVALID_OPTIONS', `${path}: no such lockfile`, {
      ...{ cause: error, hint: `name a file or its folder; known are ${NAMES.join(', ')}` },
    })
  })
  if (file.isDirectory()) return readOne(cwd, await findIn(path))
  if (file.size > MAX_LOCKFILE_LENGTH) {
    throw new CatalogError('INVALID_LOCKFILE', `${path}: larger than 64 MiB`)
  }
  return {
    name: relative(cwd, path) || path,
    folder: dirname(path),
    lock: parseLockfile(path, await readFile(path, 'utf8')),
  }
}

async function findIn(folder: string): Promise<string> {
  const entries = new Set(await readdir(folder))
  const found = NAMES.find((name) => entries.has(name))
  if (found !== undefined) return join(folder, found)
  throw new CatalogError('INVALID_OPTIONS', `${folder}: no lockfile in this folder`, {
    hint: `known are ${NAMES.join(', ')}`,
  })
}
