/**
 * Names of packages that a project gets from its registry anyway, taken from its lockfile or manifest: with them the registry
 * can be tried without telling it a name that it would not see without us. Reads, never writes.
 */
import { join } from 'node:path'
import { parseLockfile } from '../lockfiles/lockfile.ts'
import { isYarnAlias } from '../upstream/default-registry.ts'
import type { ClientFamily } from './client-command.ts'
import { readManifest, readText } from './project-files.ts'
import { projectRoot, workspacePatterns } from './project-root.ts'

const LOCKFILES: Readonly<Record<ClientFamily, readonly string[]>> = {
  npm: ['npm-shrinkwrap.json', 'package-lock.json'],
  pnpm: ['pnpm-lock.yaml'],
  'yarn-classic': ['yarn.lock'],
  'yarn-berry': ['yarn.lock'],
  bun: ['bun.lock'],
  deno: ['deno.lock'],
}
const MAX_NAMES = 3
/**
 * Entries of packages from the default registry, as these clients write them: a few of them are all that is wanted, and reading the
 * YAML of a thousand takes 0.4 s. A file without such an entry is read whole.
 */
const PLAIN_ENTRIES: Readonly<Partial<Record<ClientFamily, RegExp>>> = {
  pnpm: /^ {2}'?\/?(\w[\w.-]*)@\d+\.\d+\.\d+(?:[-+][\w.+-]+)?'?:\r?\n {4}resolution: \{integrity: [\w+/=-]+\}\r?$/gm,
  'yarn-berry': /^ {2}resolution: "(\w[\w.-]*)@npm:\d+\.\d+\.\d+(?:[-+][\w.+-]+)?"\r?$/gm,
}

/**
 * Names that `registry` is asked for anyway: locked packages or, without a lockfile, dependencies. Never a scoped name, whose
 * registry may be another one, and never a workspace's.
 */
export function namesInRegistry(registry: string, family: ClientFamily, cwd: string): string[] {
  const root = projectRoot(cwd)
  const locked = lockedNames(registry, { family, root })
  if (locked !== undefined) return locked.slice(0, MAX_NAMES)
  if (workspacePatterns(root).length > 0) return []
  const { dependencies, devDependencies } = readManifest(root)
  const ranges = [dependencies, devDependencies].flatMap((list) =>
    Object.entries(Object(list) as Record<string, unknown>),
  )
  return ranges
    .filter(([name, range]) => !name.startsWith('@') && /^[\w.^~<>=| *-]*$/.test(String(range)))
    .map(([name]) => name)
    .slice(0, MAX_NAMES)
}

function lockedNames(
  registry: string,
  { family, root }: { readonly family: ClientFamily; readonly root: string },
): string[] | undefined {
  const { host } = new URL(registry)
  const isAtRegistry = (text: string): boolean => {
    const url = URL.canParse(text) ? new URL(text) : undefined
    return url !== undefined && (url.host === host || isYarnAlias(url))
  }
  for (const file of LOCKFILES[family]) {
    const text = readText(join(root, file))
    if (text === undefined) continue
    const plain = plainNames(text, PLAIN_ENTRIES[family])
    if (plain.length > 0) return plain
    try {
      const { packages } = parseLockfile(file, text)
      return packages.flatMap(({ name, url }) =>
        name.startsWith('@') || (url !== undefined && !isAtRegistry(url)) ? [] : [name],
      )
    } catch {
      return undefined // the client will say what is wrong with it
    }
  }
  return undefined
}

function plainNames(text: string, entries: RegExp | undefined): string[] {
  if (entries === undefined) return []
  return [...text.matchAll(entries).take(MAX_NAMES)].map(([, name = '']) => name)
}
