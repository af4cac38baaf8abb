/**
 * Where a project begins, and its files, read only: what package managers would find from a folder. A file that is missing,
 * not readable or too long counts as not there: the client itself will say so.
 */
import { readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** A lockfile of 100,000 packages has some 50 MB. */
const MAX_BYTES = 128 * 1024 * 1024
const MAX_DEPTH = 64

/** `folder` and all above it, innermost first. */
export function foldersUpwards(folder: string): string[] {
  const found = [folder]
  for (let at = folder; dirname(at) !== at && found.length < MAX_DEPTH; at = dirname(at)) {
    found.push(dirname(at))
  }
  return found
}

export function readText(path: string): string | undefined {
  try {
    return statSync(path).size > MAX_BYTES ? undefined : readFileSync(path, 'utf8')
  } catch {
    return undefined // as said above
  }
}

/**
 * The folder whose .npmrc and lockfile count: the nearest one with a package.json, or the workspace around it. Undefined
 * outside of every project.
 */
export function projectRoot(cwd: string): string | undefined {
  const folders = foldersUpwards(cwd)
  const nearest = folders.findIndex((folder) => isFile(join(folder, 'package.json')))
  if (nearest === -1) return undefined
  return folders.slice(nearest).find(isWorkspace) ?? folders[nearest]
}

function isWorkspace(folder: string): boolean {
  if (isFile(join(folder, 'pnpm-workspace.yaml'))) return true
  const text = readText(join(folder, 'package.json'))
  try {
    const manifest = JSON.parse(text ?? 'null') as { workspaces?: unknown } | null
    return manifest?.workspaces !== undefined
  } catch {
    return false // not JSON: the client will complain
  }
}

function isFile(path: string): boolean {
  try {
    return statSync(path).isFile()
  } catch {
    return false
  }
}
