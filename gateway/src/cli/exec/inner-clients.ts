/**
 * A command that is no package manager (`make`, `sh -c`) may start any, in any folder of the project; so may the scripts of one.
 * Which ones, and where, as far as the command's words and the project's files name them: what nothing names is not guessed, and
 * what could not be looked at is not taken to be fine.
 */
import { readdirSync, statSync } from 'node:fs'
import { join, resolve, sep } from 'node:path'
import { familyOf, yarnFamily, type ClientFamily } from './client-family.ts'
import { pnpmRoots, projectFolder, projectRoot, readText } from './project-files.ts'

export interface InnerWork {
  readonly clients: ReadonlySet<ClientFamily>
  /** Below the command's own, or named by it, with settings or lockfiles of their own. */
  readonly folders: readonly string[]
  /** false: there are more than anybody looked at. */
  readonly isComplete: boolean
  /** The command is no package manager, or its scripts go into other folders: nothing is certain of its own client either. */
  readonly goesElsewhere: boolean
}

const MARKS: ReadonlyMap<string, ClientFamily | 'yarn'> = new Map([
  ...([
    ['package-lock.json', 'npm'],
    ['npm-shrinkwrap.json', 'npm'],
  ] as const),
  ...([
    ['pnpm-lock.yaml', 'pnpm'],
    ['pnpm-workspace.yaml', 'pnpm'],
  ] as const),
  ...([
    ['yarn.lock', 'yarn'],
    ['.yarnrc.yml', 'yarn'],
  ] as const),
  ...([
    ['bun.lock', 'bun'],
    ['bun.lockb', 'bun'],
    ['deno.lock', 'deno'],
  ] as const),
])
const SETTINGS = new Set(['.npmrc', '.yarnrc', '.yarnrc.yml', 'bunfig.toml'])
/** What package managers and Git put there. */
const SKIPPED = new Set(['node_modules', '.git', '.yarn', '.pnpm-store'])

const MAX_DEPTH = 16
const MAX_FOLDERS = 10_000
const MAX_FOUND = 200

/** Longer words (a token, a program) are no folders. */
const MAX_NAME = 255
/** URLs, and names that Windows would look up in the network. */
const ELSEWHERE = /^[/\\]{2}|:\/\//
const SHELL = /[\s;&|()'"`<>=]+/
const GOES = /(?:^|[\s;&|(])(?:cd|pushd|-C|--prefix|--dir|--cwd)[\s=]/

export function innerWork(
  command: readonly string[],
  family: ClientFamily | undefined,
  cwd: string,
): InnerWork {
  const scripts = family === undefined ? '' : scriptsIn(cwd)
  const words = [...command, scripts].flatMap((text) => text.split(SHELL))
  const goesElsewhere = family === undefined || GOES.test(scripts)
  const below = goesElsewhere ? foldersBelow(cwd) : { folders: [], isComplete: true }
  const root = projectRoot(cwd)
  const named = goesElsewhere
    ? namedFolders(words, cwd).filter((at) => projectRoot(at) !== root)
    : []
  const folders = [...new Set([...below.folders, ...named])]
  const clients = new Set(words.flatMap((word) => familyOf([word], cwd) ?? []))
  for (const folder of new Set([cwd, root ?? cwd, ...pnpmRoots(cwd), ...folders])) {
    for (const client of clientsIn(folder)) clients.add(client)
  }
  return { clients, folders, isComplete: below.isComplete, goesElsewhere }
}

/** By the files there. */
function clientsIn(folder: string): ClientFamily[] {
  const found = [...MARKS].flatMap(([file, client]) => {
    if (!isThere(join(folder, file))) return []
    return client === 'yarn' ? yarnFamily(folder) : client
  })
  const manifest = readText(join(folder, 'package.json')) ?? ''
  const manager = /"packageManager"\s*:\s*"([a-z]+@\d+)/.exec(manifest)?.[1]
  return [
    ...found,
    ...(manager === undefined ? [] : [familyOf(['corepack', manager], folder)]),
  ].filter((client) => client !== undefined)
}

/** With settings or a lockfile, the nearest first; `cwd` itself is none of them. */
function foldersBelow(cwd: string): Pick<InnerWork, 'folders' | 'isComplete'> {
  const folders: string[] = []
  let level = [cwd]
  let looked = 0
  for (let depth = 0; level.length > 0; depth += 1) {
    looked += level.length
    if (depth > MAX_DEPTH || looked > MAX_FOLDERS || folders.length > MAX_FOUND) {
      return { folders: [], isComplete: false }
    }
    level = level.flatMap((folder) => {
      const entries = entriesOf(folder)
      const isFound = entries.some(({ name }) => MARKS.has(name) || SETTINGS.has(name))
      if (isFound && folder !== cwd) folders.push(folder)
      const inner = entries.filter((one) => one.isDirectory() && !SKIPPED.has(one.name))
      return inner.map(({ name }) => join(folder, name))
    })
  }
  return { folders, isComplete: true }
}

/** Those inside of a project, here or elsewhere. */
function namedFolders(words: readonly string[], cwd: string): string[] {
  const paths = words.filter(
    (word) =>
      word !== '' && word.length <= MAX_NAME && !word.startsWith('-') && !ELSEWHERE.test(word),
  )
  return [...new Set(paths.map((path) => resolve(cwd, path)))].filter(
    (path) =>
      path !== cwd &&
      !path.split(sep).includes('node_modules') &&
      isThere(path, 'folder') &&
      projectFolder(path) !== undefined,
  )
}

function scriptsIn(cwd: string): string {
  const text = readText(join(projectFolder(cwd) ?? cwd, 'package.json')) ?? '{}'
  try {
    const { scripts = {} } = JSON.parse(text) as { scripts?: Record<string, unknown> }
    return Object.values(scripts).join(';')
  } catch {
    return '' // not JSON: the client will complain
  }
}

function entriesOf(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true })
  } catch {
    return [] // not to be read by clients either
  }
}

/** What can't be looked at (a word that is no path, a loop of links) is none. */
function isThere(path: string, kind: 'file' | 'folder' = 'file'): boolean {
  try {
    const found = statSync(path, { throwIfNoEntry: false })
    return kind === 'file' ? found?.isFile() === true : found?.isDirectory() === true
  } catch {
    return false // as said above
  }
}
