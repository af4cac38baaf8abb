/**
 * The repository as the architecture test sees it: which files there are, and what each imports.
 * Reads text only; never runs the code.
 */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join, posix, resolve } from 'node:path'

export const repositoryRoot = resolve(import.meta.dirname, '..', '..')

export interface Import {
  /** As written. */
  readonly specifier: string
  /** Path from the root, for an import of our own file by a relative path. */
  readonly target: string | undefined
  readonly isTypeOnly: boolean
}

/** Paths of everything that a clone has, with `/`, from the root. */
export function trackedFiles(): readonly string[] {
  try {
    const options = { cwd: repositoryRoot, encoding: 'utf8', stdio: 'pipe' } as const
    const listed = execFileSync('git', ['ls-files', '-z'], options).split('\0').filter(Boolean)
    if (listed.length > 0) return listed
  } catch {
    // A copy without git, as from an archive: what lies there is what there is.
  }
  return [...walk('')]
}

export function readText(path: string): string {
  return readFileSync(join(repositoryRoot, path), 'utf8')
}

/** Without comments, near enough for looking words up. */
export function readCode(path: string): string {
  return readText(path).replace(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm, '')
}

/** Static imports, re-exports, dynamic imports, and workers started by `new URL(…, import.meta.url)`. */
export function importsOf(path: string): readonly Import[] {
  const text = readText(path)
  const patterns = [
    /^\s*(?:import|export)\s+(?<type>type\s)?[^'";]*?\bfrom\s+'(?<specifier>[^']+)'/gm,
    /^\s*import\s+'(?<specifier>[^']+)'/gm,
    /\bimport\(\s*'(?<specifier>[^']+)'/g,
    /\bnew URL\(\s*'(?<specifier>\.{1,2}\/[^']+\.[jt]s)',\s*import\.meta\.url/g,
  ]
  return patterns.flatMap((pattern) =>
    [...text.matchAll(pattern)].map(({ groups }) => {
      const specifier = groups?.specifier ?? ''
      const isOurs = specifier.startsWith('.')
      return {
        specifier,
        isTypeOnly: groups?.type !== undefined,
        target: isOurs ? posix.join(posix.dirname(path), specifier) : undefined,
      }
    }),
  )
}

/** Paths around one cycle, or undefined when there is none. */
export function findCycle(
  graph: ReadonlyMap<string, readonly string[]>,
): readonly string[] | undefined {
  const done = new Set<string>()
  const visit = (node: string, path: readonly string[]): readonly string[] | undefined => {
    const start = path.indexOf(node)
    if (start >= 0) return [...path.slice(start), node]
    if (done.has(node)) return undefined
    for (const next of graph.get(node) ?? []) {
      const cycle = visit(next, [...path, node])
      if (cycle !== undefined) return cycle
    }
    done.add(node)
    return undefined
  }
  for (const node of graph.keys()) {
    const cycle = visit(node, [])
    if (cycle !== undefined) return cycle
  }
  return undefined
}

function* walk(folder: string): Generator<string> {
  const skipped = new Set(['node_modules', 'dist', 'coverage', '.git', '.cache'])
  for (const entry of readdirSync(join(repositoryRoot, folder), { withFileTypes: true })) {
    if (skipped.has(entry.name)) continue
    const path = posix.join(folder, entry.name)
    if (entry.isDirectory()) yield* walk(path)
    else yield path
  }
}
