/**
 * The root of a project, and its files, read only. A file that is missing, unreadable or too long counts as absent: the client
 * itself reports that.
 */
import { readFileSync, statSync } from 'node:fs'
import { dirname, join, posix, relative, sep } from 'node:path'
import { parseDocument } from 'yaml'

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

/**
 * The folder whose lockfile and .npmrc count: the nearest one with a package.json, or the workspace around it that lists it as
 * a member; any other project around it is ignored. `cwd` outside of every project.
 */
export function projectRoot(cwd: string): string {
  const folders = foldersUpwards(cwd)
  const project = folders.find((folder) => readText(join(folder, 'package.json')) !== undefined)
  if (project === undefined) return cwd
  const around = foldersUpwards(dirname(project)).find((folder) =>
    isMember(relative(folder, project).split(sep).join('/'), workspacePatterns(folder)),
  )
  return around ?? project
}

/** `workspaces` of package.json (npm, Yarn, Bun, Deno), `packages` of pnpm-workspace.yaml. */
export function workspacePatterns(folder: string): readonly string[] {
  const { workspaces } = readManifest(folder)
  const inner = (workspaces as { packages?: unknown } | null | undefined)?.packages
  const document = parseDocument(readText(join(folder, 'pnpm-workspace.yaml')) ?? '')
  const yaml = (document.errors.length > 0 ? undefined : document.toJS()) as unknown
  const pnpms = (yaml as { packages?: unknown } | null | undefined)?.packages
  const lists: unknown[] = [workspaces, inner, pnpms]
  return lists
    .flatMap((list): unknown[] => (Array.isArray(list) ? list : []))
    .filter((one) => typeof one === 'string')
}

function isMember(path: string, patterns: readonly string[]): boolean {
  if (path.split('/').includes('node_modules')) return false
  const matches = (pattern: string): boolean =>
    posix.matchesGlob(path, pattern.replace(/^!?(?:\.?\/+)?/, '').replace(/\/+$/, ''))
  const [excluded, included] = [true, false].map((isNegative) =>
    patterns.filter((pattern) => pattern.startsWith('!') === isNegative),
  )
  return included?.some(matches) === true && excluded?.some(matches) !== true
}
