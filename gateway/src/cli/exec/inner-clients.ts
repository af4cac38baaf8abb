/**
 * A command that is no package manager (`make`, `sh -c`) may start any, in any folder of the project; so may the scripts of one.
 * Which ones, and where, as far as the command's words and the project's files name them: what nothing names is not guessed, and
 * what could not be looked at is not taken to be fine.
 */
import { readdirSync, statSync } from 'node:fs'
import { join, resolve, sep } from 'node:path'
import {
  argumentsOf,
  familyOf,
  isRunnerOnly,
  yarnFamily,
  type ClientFamily,
} from './client-family.ts'
import { pnpmRoots, projectFolder, projectRoot, readText } from './project-files.ts'

export interface InnerWork {
  readonly clients: ReadonlySet<ClientFamily>
  /** Below the command's own, or named by it, with settings or lockfiles of their own. */
  readonly folders: readonly string[]
  /** false: there are more than anybody looked at. */
  readonly isComplete: boolean
  /** The command is no package manager, or works in other folders: nothing is certain of its own client either. */
  readonly goesElsewhere: boolean
  /** By the command's client: what it is told to run, by words or scripts, its own family included. */
  readonly started: ReadonlySet<ClientFamily>
  /** What in it says that the registry will be another one than the files and variables say now; no value, it may be a secret. */
  readonly changes: string | undefined
}

const MARKS: ReadonlyMap<string, ClientFamily | 'yarn'> = new Map([
  ['package-lock.json', 'npm'],
  ['npm-shrinkwrap.json', 'npm'],
  ['pnpm-lock.yaml', 'pnpm'],
  ['pnpm-workspace.yaml', 'pnpm'],
  ['yarn.lock', 'yarn'],
  ['.yarnrc.yml', 'yarn'],
  ['bun.lock', 'bun'],
  ['bun.lockb', 'bun'],
  ['deno.lock', 'deno'],
])
const SETTINGS = new Set(['.npmrc', '.yarnrc', '.yarnrc.yml', 'bunfig.toml'])
/** What package managers and Git put there. */
const SKIPPED = new Set(['node_modules', '.git', '.yarn', '.pnpm-store'])

const MAX_DEPTH = 16
const MAX_FOLDERS = 10_000
const MAX_FOUND = 200
/** Folders may be on a slow disk, and the command waits. */
const MAX_LOOKING_MS = 2_000

/** Longer words (a token, a program) are no folders. */
const MAX_NAME = 255
/** URLs, and names that Windows would look up in the network. */
const ELSEWHERE = /^[/\\]{2}|:\/\//
const SHELL = /[\s;&|()'"`<>=]+/
/** The words behind them are another program's. */
const STARTERS = new Set(['exec', 'dlx', 'x'])
/** In every package of a workspace, whose settings may differ. */
const FOR_ALL = /^(?:-r|--recursive|-ws|--workspaces|workspaces?|foreach|--filter(?:=.*)?|-F)$/
/** Programs that start clients in the packages of a workspace. */
const OF_WORKSPACES = new Set(['lerna', 'rush'])
const LIFECYCLE = ['install', 'prepare', 'prepublish', 'dependencies']
/** Names a client, and starts none. */
const ONLY_ALLOW = /\bnpx\s+(?:(?:-y|--yes)\s+)?only-allow\s+\w+/g
const GOES = /(?:^|[\s;&|(])(?:cd|pushd|-C|--prefix|--dir|--cwd)[\s=]/

/** Variables, files and subcommands that make a client ask another registry; what stands behind them is not shown. */
const CHANGES =
  /--?(?:user|global)config\b|\b(?:npm|pnpm|bun|yarn)_(?:config|npm|registry|rc)\w*\s*=(?!=)|\b(?:config|npm|npm\s+c)\s+set\b|\b(?:home|userprofile|xdg_config_home|(?:local)?appdata)=|\.npmrc|\.yarnrc|\bbunfig|\bpnpm-workspace/i

export function innerWork(
  command: readonly string[],
  family: ClientFamily | undefined,
  cwd: string,
  now: () => number = () => performance.now(),
): InnerWork {
  const all = scriptsIn(cwd)
  const scripts = Object.values(all).join(';')
  const told = family === undefined ? [] : startedWords(command)
  const familiesIn = (words: readonly string[]): ClientFamily[] =>
    words.flatMap((word) => familyOf([word], cwd) ?? [])
  const byWords = familiesIn(told)
  const started = new Set(
    family === undefined ? [] : [...byWords, ...familiesIn(wordsIn(ranScripts(command, all)))],
  )
  const goesElsewhere =
    family === undefined ||
    GOES.test(scripts) ||
    byWords.length > 0 ||
    [...started].some((one) => one !== family) ||
    isForAll(command) ||
    told.some((word) => OF_WORKSPACES.has(word))
  const words = [...command, family === undefined ? '' : scripts].flatMap((text) => wordsIn([text]))
  const below = goesElsewhere ? foldersBelow(cwd, now) : { folders: [], isComplete: true }
  const root = projectRoot(cwd)
  const named = goesElsewhere
    ? namedFolders(words, cwd).filter((at) => projectRoot(at) !== root)
    : []
  const folders = [...new Set([...below.folders, ...named])]
  const clients = new Set(familiesIn(words))
  for (const folder of new Set([cwd, root ?? cwd, ...pnpmRoots(cwd), ...folders])) {
    for (const client of clientsIn(folder)) clients.add(client)
  }
  const changes = goesElsewhere ? CHANGES.exec([...command, scripts].join(' '))?.[0] : undefined
  return { clients, folders, isComplete: below.isComplete, goesElsewhere, started, changes }
}

function wordsIn(texts: readonly string[]): string[] {
  return texts.flatMap((text) => text.split(SHELL))
}

/** Behind `exec` and its like, or behind `npx`. */
function startedWords(command: readonly string[]): string[] {
  const args = argumentsOf(command)
  const starter = isRunnerOnly(command) ? 0 : args.findIndex((arg) => STARTERS.has(arg)) + 1
  return isRunnerOnly(command) || starter > 0 ? wordsIn(args.slice(starter)) : []
}

function isForAll(command: readonly string[]): boolean {
  const args = argumentsOf(command)
  const end = args.indexOf('--')
  return args.slice(0, end === -1 ? undefined : end).some((arg) => FOR_ALL.test(arg))
}

/** Those that installing runs and those that the command names, and what they name in turn. */
function ranScripts(command: readonly string[], all: Readonly<Record<string, string>>): string[] {
  const ran = new Set<string>()
  let names = [...LIFECYCLE, ...wordsIn(argumentsOf(command))]
  while (names.length > 0) {
    const found = names
      .flatMap((name) => [name, `pre${name}`, `post${name}`])
      .filter((name) => Object.hasOwn(all, name) && !ran.has(name))
    for (const name of found) ran.add(name)
    const words = wordsIn(found.map((name) => all[name] ?? ''))
    // A pattern of names, as of npm-run-all: any.
    names = words.some((word) => word.includes(':*'))
      ? Object.keys(all)
      : found.length > 0
        ? words
        : []
  }
  return [...ran].map((name) => (all[name] ?? '').replace(ONLY_ALLOW, ''))
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
function foldersBelow(cwd: string, now: () => number): Pick<InnerWork, 'folders' | 'isComplete'> {
  const folders: string[] = []
  let level = [cwd]
  let looked = 0
  const until = now() + MAX_LOOKING_MS
  for (let depth = 0; level.length > 0; depth += 1) {
    looked += level.length
    if (depth > MAX_DEPTH || looked > MAX_FOLDERS || folders.length > MAX_FOUND) {
      return { folders: [], isComplete: false }
    }
    level = level.flatMap((folder) => {
      if (now() > until) return []
      const entries = entriesOf(folder)
      const isFound = entries.some(({ name }) => MARKS.has(name) || SETTINGS.has(name))
      if (isFound && folder !== cwd) folders.push(folder)
      const inner = entries.filter((one) => one.isDirectory() && !SKIPPED.has(one.name))
      return inner.map(({ name }) => join(folder, name))
    })
  }
  return { folders, isComplete: now() <= until }
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

function scriptsIn(cwd: string): Record<string, string> {
  const text = readText(join(projectFolder(cwd) ?? cwd, 'package.json')) ?? '{}'
  try {
    const { scripts } = JSON.parse(text) as { scripts?: Record<string, unknown> }
    const found = Object.entries(scripts ?? {})
    return Object.fromEntries(found.map(([name, script]) => [name, String(script)]))
  } catch {
    return {} // not JSON: the client will complain
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
