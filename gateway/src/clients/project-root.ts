/** The root of a project, which its client's lockfile and settings are in. Read only. */
import { dirname, join, posix, relative, sep } from 'node:path'
import { parseDocument } from 'yaml'
import { foldersUpwards, readManifest, readText } from './project-files.ts'

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
  const lists: unknown[] = [workspaces, inner, pnpmsPatterns(folder)]
  return lists
    .flatMap((list): unknown[] => (Array.isArray(list) ? list : []))
    .filter((one) => typeof one === 'string')
}

function pnpmsPatterns(folder: string): unknown {
  const text = readText(join(folder, 'pnpm-workspace.yaml'))
  if (text === undefined) return undefined
  const document = parseDocument(text)
  const yaml = (document.errors.length > 0 ? undefined : document.toJS()) as unknown
  return (yaml as { packages?: unknown } | null | undefined)?.packages
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
