/**
 * The files of a project, read only. A file that is missing, unreadable or too long counts as absent: the client
 * itself reports that.
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
    return undefined // see above
  }
}

/** The fields of package.json; none when it is missing or no JSON. */
export function readManifest(folder: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(readText(join(folder, 'package.json')) ?? '{}')
    return typeof value === 'object' && value !== null ? { ...value } : {}
  } catch {
    return {} // the client will complain
  }
}
