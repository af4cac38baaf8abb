/**
 * Reads the package list out of any client's lockfile: a pure function from text to names, versions and
 * digests. Never touches the disk or the network, and never guesses: what is not a registry package is
 * listed under `skipped` with the reason. Which of them matter here is select.ts's business.
 */
import { CatalogError } from '@catalog-p2p/core'
import { readBunLock } from './bun-lock.ts'
import { readDenoLock } from './deno-lock.ts'
import { readNpmLock } from './npm-lock.ts'
import { LockfileProblem } from './lockfile-problem.ts'
import type { LockfileKind, LockfilePackages, PackageCollector } from './package-collector.ts'
import { createCollector } from './package-collector.ts'
import { readPnpmLock } from './pnpm-lock.ts'
import { readYarnBerryLock } from './yarn-berry-lock.ts'
import { readYarnV1Lock } from './yarn-v1-lock.ts'

/** Text longer than this is refused before it is parsed (UTF-16 units, about bytes: lockfiles are ASCII). */
export const MAX_LOCKFILE_LENGTH = 64 * 1024 * 1024

const READERS: Readonly<Record<LockfileKind, (text: string, into: PackageCollector) => void>> = {
  npm: readNpmLock,
  pnpm: readPnpmLock,
  'yarn-v1': readYarnV1Lock,
  'yarn-berry': readYarnBerryLock,
  bun: readBunLock,
  deno: readDenoLock,
}

/**
 * @param fileName decides the format, with its folder or without; yarn.lock's two formats are told apart by the text
 * @throws CatalogError INVALID_LOCKFILE naming the line or the key
 */
export function parseLockfile(fileName: string, text: string): LockfilePackages {
  const name = fileName.split(/[/\\]/).at(-1) ?? ''
  if (text.length > MAX_LOCKFILE_LENGTH) {
    throw new CatalogError('INVALID_LOCKFILE', `${name}: larger than 64 MiB`)
  }
  const plain = text.startsWith('\uFEFF') ? text.slice(1) : text
  const kind = lockfileKind(name, plain)
  const collector = createCollector()
  try {
    READERS[kind](plain, collector)
  } catch (error) {
    if (!(error instanceof LockfileProblem)) throw error
    throw new CatalogError('INVALID_LOCKFILE', `${name}: ${error.message}`, {
      hint: 'let the package manager write the lockfile again',
      cause: error,
    })
  }
  return collector.result(kind)
}

function lockfileKind(name: string, text: string): LockfileKind {
  if (name === 'package-lock.json' || name === 'npm-shrinkwrap.json') return 'npm'
  if (/^pnpm-lock(\..+)?\.yaml$/.test(name)) return 'pnpm'
  if (name === 'yarn.lock') return /^__metadata:/m.test(text) ? 'yarn-berry' : 'yarn-v1'
  if (name === 'bun.lock') return 'bun'
  if (name === 'deno.lock') return 'deno'
  const hint =
    name === 'bun.lockb'
      ? 'run "bun install --save-text-lockfile" to get bun.lock from it'
      : 'known are package-lock.json, npm-shrinkwrap.json, pnpm-lock.yaml, yarn.lock, bun.lock and deno.lock'
  throw new CatalogError('INVALID_LOCKFILE', `${name}: not a lockfile that catalog reads`, { hint })
}
