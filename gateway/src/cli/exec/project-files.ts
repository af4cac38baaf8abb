/**
 * Where a project begins, and its files, read only: what package managers would find from a folder. A file that is missing,
 * not readable or too long counts as not there: the client itself will say so.
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
    return undefined // as said above
  }
}

/** Whose rules say which folder around a project it belongs to. */
export type WorkspaceKind = 'npm' | 'pnpm'

/**
 * The folder whose .npmrc and lockfile count: the nearest one with a package.json, or the workspace around it that says this
 * one is its member; around any other project it is a stranger's. Undefined outside of every project.
 */
export function projectRoot(cwd: string, kind: WorkspaceKind = 'npm'): string | undefined {
  const project = projectFolder(cwd)
  if (project === undefined) return undefined
  return foldersUpwards(project).find((folder) => isRootOf(folder, project, kind)) ?? project
}

/**
 * Where pnpm has its settings and its lockfile: pnpm 11 asks whether the project is a member, pnpm 10 takes any workspace
 * around it. Mostly one folder, and two where they differ.
 */
export function pnpmRoots(cwd: string): string[] {
  const around = foldersUpwards(cwd).find((folder) => isFile(join(folder, 'pnpm-workspace.yaml')))
  const root = projectRoot(cwd, 'pnpm') ?? cwd
  return [...new Set([root, around ?? root])]
}

/** The nearest one with a package.json. */
export function projectFolder(cwd: string): string | undefined {
  return foldersUpwards(cwd).find((folder) => isFile(join(folder, 'package.json')))
}

function isRootOf(folder: string, project: string, kind: WorkspaceKind): boolean {
  const patterns = kind === 'npm' ? npmPatterns(folder) : pnpmPatterns(folder)
  if (patterns === undefined) return false
  // pnpm's file lies in its root, wherever else that belongs to; npm's root may be a member itself.
  if (folder === project) return kind === 'pnpm'
  return isMember(relative(folder, project).split(sep).join('/'), patterns)
}

/** `workspaces` of npm, Yarn, Bun and Deno; undefined when there are none. */
function npmPatterns(folder: string): string[] | undefined {
  try {
    const text = readText(join(folder, 'package.json'))
    const { workspaces } = JSON.parse(text ?? '{}') as { workspaces?: unknown }
    const packages = (workspaces as { packages?: unknown } | null | undefined)?.packages
    return textsIn(Array.isArray(workspaces) ? workspaces : packages)
  } catch {
    return undefined // not JSON, or null: the client will complain
  }
}

function pnpmPatterns(folder: string): string[] | undefined {
  const text = readText(join(folder, 'pnpm-workspace.yaml'))
  if (text === undefined) return undefined
  const document = parseDocument(text, { schema: 'core' })
  const values = document.errors.length > 0 ? undefined : (document.toJS() as unknown)
  return textsIn((values as { packages?: unknown } | null | undefined)?.packages) ?? []
}

function textsIn(list: unknown): string[] | undefined {
  return Array.isArray(list) ? list.filter((one) => typeof one === 'string') : undefined
}

/** As npm has it: a `!pattern` takes out what others let in, unless a later pattern falls under it itself. */
function isMember(path: string, patterns: readonly string[]): boolean {
  if (path.split('/').includes('node_modules')) return false
  const globs = patterns.map((pattern) => {
    const marks = /^!*/.exec(pattern)?.[0].length ?? 0
    const glob = pattern
      .slice(marks)
      .replace(/^\.?\/+/, '')
      .replace(/\/+$/, '')
    return { glob, isNegative: marks % 2 === 1 }
  })
  const counts = globs.filter(({ glob, isNegative }, at) => {
    const later = globs.slice(at + 1).filter((other) => !other.isNegative)
    return !isNegative || !later.some((other) => posix.matchesGlob(other.glob, glob))
  })
  const matching = counts.filter(({ glob }) => posix.matchesGlob(path, glob))
  return matching.length > 0 && matching.every(({ isNegative }) => !isNegative)
}

function isFile(path: string): boolean {
  try {
    return statSync(path).isFile()
  } catch {
    return false
  }
}
