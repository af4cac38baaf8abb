/**
 * npm's own configuration, read the way npm reads it: environment over project over user over global .npmrc, with
 * `${ENV}` expansion. Only what a registry client needs. Never writes, never logs a value (some are secrets).
 * The rules: `npm help npmrc`.
 */
import { readFileSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { parse } from 'ini'
import type { Logger } from '@catalog-p2p/core'
import { hostsWithCredentials } from './credentials.ts'
import { requireRegularFile } from '../regular-file.ts'

export interface NpmConfig {
  /** The value of a key (`registry`, `@scope:registry`, `//host/:_authToken`), expanded. */
  get(key: string): string | undefined
  /** For keys that may be given several times (`ca[]`). */
  all(key: string): readonly string[]
  keys(): Iterable<string>
  /** Changes when the values have; absent: they never do. */
  revision?(): number
}

export type Environment = Readonly<Record<string, string | undefined>>

export interface NpmConfigContext {
  readonly env: Environment
  readonly cwd: string
  readonly home: string
  readonly execPath: string
  readonly platform: NodeJS.Platform
  /** Whose .npmrc counts, nearest first; by default the one project folder of npm's. */
  readonly projectFolders?: readonly string[]
  /** A file that counts more than all of them. */
  readonly firstFile?: string | undefined
  /** As if the user's own file named no registry: `catalog use` may have written it. */
  readonly skipsUserRegistry?: boolean
}

/** Where this process finds npm's configuration. */
export function npmConfigContext(): NpmConfigContext {
  const { env, execPath, platform } = process
  return { env, cwd: process.cwd(), home: homedir(), execPath, platform }
}

type Layer = ReadonlyMap<string, readonly string[]>

/**
 * Reads npm's configuration as seen from `context`; files that do not exist or cannot be read count as empty.
 * @throws CatalogError INVALID_OPTIONS for a pipe: without what it would say, names could be asked of the wrong registry
 */
export function readNpmConfig(context: NpmConfigContext): NpmConfig {
  return readFiles(context).config
}

/** How often at most the files are looked at. */
const LOOK_EVERY_MS = 1_000

/**
 * The same, always as the files say it now: a token that was renewed counts from then on. A look at a handful of files, once a
 * second at most and only when it is asked for something. A file may be seen half-written: credentials that are gone count until
 * another look, a second later or more, finds them gone too; and what can't be read changes nothing.
 */
export function watchNpmConfig(
  context: NpmConfigContext,
  deps: { readonly now?: () => number; readonly log?: Logger } = {},
): NpmConfig {
  const { now = () => performance.now(), log } = deps
  let { config, files } = readFiles(context)
  let seen = '' // what was written during the first reading is read by the first look
  let lookedAtMs = now()
  let revision = 0
  let isDoubted = false
  let reported: string | undefined

  function look(state: string): void {
    const read = readFiles(context)
    isDoubted = !isDoubted && hasLostCredentials(config, read.config)
    if (isDoubted) return
    // The state from before the reading: what is written meanwhile is seen by the next look. So are files named only now.
    seen = read.files.join('\n') === files.join('\n') ? state : ''
    ;({ config, files } = read)
    revision += 1
  }

  const current = (): NpmConfig => {
    if (now() - lookedAtMs < LOOK_EVERY_MS) return config
    lookedAtMs = now()
    const state = stateOf(files)
    if (state === seen && !isDoubted) return config
    try {
      look(state)
      reported = undefined
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      if (reason !== reported) log?.warn('npmrc.unreadable', { reason })
      reported = reason
    }
    return config
  }
  return {
    get: (key) => current().get(key),
    all: (key) => current().all(key),
    keys: () => current().keys(),
    revision() {
      current()
      return revision
    },
  }
}

function hasLostCredentials(before: NpmConfig, after: NpmConfig): boolean {
  const left = hostsWithCredentials(after)
  return [...hostsWithCredentials(before)].some((host) => !left.has(host))
}

function stateOf(files: readonly string[]): string {
  const states = files.map((file) => {
    try {
      const { mtimeMs, size, ino } = statSync(file)
      return [mtimeMs, size, ino].join(' ')
    } catch {
      return 'none' // as it is read: a file that can't be looked at counts as empty
    }
  })
  return states.join('\n')
}

function readFiles(context: NpmConfigContext): { config: NpmConfig; files: readonly string[] } {
  const files: string[] = []
  const fileLayer = (path: string, env: Environment): Map<string, readonly string[]> => {
    files.push(path)
    return readLayer(path, env)
  }
  const fromEnv = environmentLayer(context.env)
  const option = (name: string): string | undefined => fromEnv.get(name)?.[0]
  const userFile = option('userconfig') ?? join(context.home, '.npmrc')
  const folders = context.projectFolders ?? [option('local-prefix') ?? context.cwd]
  const projectFiles = folders.map((folder) => join(folder, '.npmrc'))
  const layers: Layer[] = [fromEnv]
  if (context.firstFile !== undefined) layers.push(fileLayer(context.firstFile, context.env))
  for (const file of projectFiles) {
    if (resolve(file) !== resolve(userFile)) layers.push(fileLayer(file, context.env))
  }
  const user = fileLayer(userFile, context.env)
  if (context.skipsUserRegistry === true) user.delete('registry')
  layers.push(user)
  const prefix = option('prefix') ?? layers.map((l) => l.get('prefix')?.[0]).find(isPresent)
  const globalFile =
    option('globalconfig') ??
    user.get('globalconfig')?.[0] ??
    join(prefix ?? globalPrefix(context), 'etc', 'npmrc')
  layers.push(fileLayer(globalFile, context.env))
  return { config: npmConfigOf(layers), files }
}

/** A configuration from plain values; for tests and embedding. */
export function npmConfigFrom(values: Readonly<Record<string, string>>): NpmConfig {
  return npmConfigOf([new Map(Object.entries(values).map(([key, value]) => [key, [value]]))])
}

function npmConfigOf(layers: readonly Layer[]): NpmConfig {
  const merged = new Map<string, readonly string[]>()
  for (const layer of layers) {
    for (const [key, values] of layer) if (!merged.has(key)) merged.set(key, values)
  }
  return {
    get: (key) => merged.get(key)?.[0],
    all: (key) => merged.get(key) ?? [],
    keys: () => merged.keys(),
  }
}

function readLayer(path: string, env: Environment): Map<string, readonly string[]> {
  const stats = statSync(path, { throwIfNoEntry: false })
  if (stats?.isFIFO() === true || stats?.isSocket() === true) requireRegularFile(path, stats)
  // /dev/null is named where there shall be none.
  if (stats?.isFile() !== true) return new Map()
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch {
    return new Map() // npm, too, goes on without a file that is not readable
  }
  const layer = new Map<string, readonly string[]>()
  for (const [key, value] of Object.entries(parse(text))) {
    const values = toValues(value).map((one) => expandEnvironment(one, env))
    if (values.length > 0) layer.set(expandEnvironment(key, env), values)
  }
  return layer
}

function environmentLayer(env: Environment): Layer {
  const layer = new Map<string, readonly string[]>()
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined || value === '' || !/^npm_config_/i.test(name)) continue
    const raw = name.slice('npm_config_'.length)
    // Keys that belong to a host or a scope keep their spelling; all others are lower case with hyphens.
    const verbatim = raw.startsWith('//') || raw.startsWith('@')
    const key = verbatim ? raw : raw.toLowerCase().replace(/(?!^)_/g, '-')
    layer.set(key, value.split('\n\n'))
  }
  return layer
}

/** npm's `${NAME}` and `${NAME?}`; a backslash before it keeps the text, an unset name too unless marked with `?`. */
export function expandEnvironment(text: string, env: Environment): string {
  return text.replace(
    /(\\*)\$\{([^${}?]+)(\?)?\}/g,
    (whole, slashes: string, name: string, optional: string | undefined) => {
      if (slashes.length % 2 === 1) return whole.slice((slashes.length + 1) / 2)
      const value = env[name] ?? (optional === undefined ? `\${${name}}` : '')
      return slashes.slice(slashes.length / 2) + value
    },
  )
}

function toValues(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(toValues)
  if (typeof value === 'string') return [value]
  return typeof value === 'boolean' || typeof value === 'number' ? [String(value)] : []
}

// Where npm was installed with the Node that runs us; `npm start` and `npm exec` tell the truth in npm_config_globalconfig.
function globalPrefix(context: NpmConfigContext): string {
  if (context.env.PREFIX !== undefined && context.env.PREFIX !== '') return context.env.PREFIX
  if (context.platform === 'win32') {
    const data = context.env.APPDATA
    return data === undefined ? dirname(context.execPath) : join(data, 'npm')
  }
  return dirname(dirname(context.execPath))
}

function isPresent(value: string | undefined): value is string {
  return value !== undefined
}
