/**
 * Reads what a package manager has put on disk, whatever its layout, and compares it with what the
 * packages hold: the same files with the same bytes, found by content and not by anybody's word.
 */
import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { FixturePackage } from './fixture-packages.ts'

/** `name@version` to its files: path to sha256. */
export type InstalledPackages = ReadonlyMap<string, Readonly<Record<string, string>>>

/** Every package under `project`'s node_modules; links are not followed, stores inside it are. */
export async function readInstalled(project: string): Promise<InstalledPackages> {
  const found = new Map<string, Record<string, string>>()
  await walkModules(join(project, 'node_modules'), found)
  return found
}

/** The same shape, from the fixtures themselves. */
export function asInstalled(
  packages: readonly FixturePackage[],
  wanted: ReadonlySet<string>,
): InstalledPackages {
  const entries = packages
    .map((each) => [`${each.name}@${each.version}`, each] as const)
    .filter(([id]) => wanted.has(id))
    .map(([id, each]) => {
      const files = each.files.map((file) => [file.path, sha256(file.content)] as const)
      return [id, Object.fromEntries(files.sort())] as const
    })
  return new Map(entries.sort())
}

async function walkModules(folder: string, found: Map<string, Record<string, string>>) {
  for (const entry of await entriesOf(folder)) {
    if (!entry.isDirectory()) continue
    const path = join(folder, entry.name)
    if (entry.name.startsWith('@')) await walkModules(path, found)
    else if (entry.name.startsWith('.')) await walkStore(path, found)
    else await walkPackage(path, found)
  }
}

/** `.pnpm`, `.deno`, `.bun`: folders of folders that have a node_modules each. */
async function walkStore(folder: string, found: Map<string, Record<string, string>>) {
  for (const entry of await entriesOf(folder)) {
    if (entry.isDirectory()) await walkModules(join(folder, entry.name, 'node_modules'), found)
  }
}

async function walkPackage(folder: string, found: Map<string, Record<string, string>>) {
  const files = new Map<string, string>()
  await walkFiles(folder, '', files)
  const manifest = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as {
    name: string
    version: string
  }
  const sorted = Object.fromEntries([...files].sort())
  found.set(`${manifest.name}@${manifest.version}`, sorted)
  await walkModules(join(folder, 'node_modules'), found)
}

async function walkFiles(folder: string, prefix: string, files: Map<string, string>) {
  for (const entry of await entriesOf(folder)) {
    const path = join(folder, entry.name)
    if (entry.isFile()) files.set(prefix + entry.name, sha256(await readFile(path)))
    else if (entry.isDirectory() && entry.name !== 'node_modules') {
      await walkFiles(path, `${prefix}${entry.name}/`, files)
    }
  }
}

async function entriesOf(folder: string) {
  try {
    return await readdir(folder, { withFileTypes: true })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

function sha256(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex')
}
