/**
 * Where a package manager works: in the folder that its own options name, with the user's file that they name, or, with -g, in no
 * project at all. What is on the command line and can't be known from here is an obstacle. Reads words only, no file.
 */
import { parse, resolve } from 'node:path'
import {
  argumentsOf,
  familyOf,
  isRunnerOnly,
  WITH_VALUE,
  type ClientFamily,
} from './client-family.ts'
import type { ExecPlace } from './client-registry.ts'
import type { Obstacle } from './registry-replacement.ts'

export interface CommandPlace {
  /** Undefined: no package manager, so anything may come of it. */
  readonly family: ClientFamily | undefined
  readonly place: ExecPlace
  readonly obstacle?: Obstacle
}

type Kind = Exclude<ClientFamily, 'yarn-classic' | 'yarn-berry'> | 'yarn'

const FOLDER: Readonly<Record<Kind, readonly string[]>> = {
  npm: ['--prefix', '-C'],
  pnpm: ['--dir', '-C', '--prefix'],
  yarn: ['--cwd'],
  bun: ['--cwd'],
  deno: [],
}

/** What says in other ways which registry is asked, and how: only the client can tell what comes of it. */
const UNKNOWN: Readonly<Record<Kind, RegExp>> = {
  npm: /^--(?:(?:@[^:]+:)?registry|reg|replace-registry-host)(?:=|$)/,
  pnpm: /^--(?:(?:config\.)?(?:@[^:]+:)?registry|userconfig|npmrc-auth-file|config\.userconfig)(?:=|$)/,
  yarn: /^--(?:registry|use-yarnrc)(?:=|$)/,
  bun: /^(?:--(?:registry|config)|-c)(?:=|$)/,
  deno: /^(?:--config|-c)(?:=|$)/,
}

/** After these words options are still the client's; after any other (a script's name) they are not. */
const OWN_COMMANDS = new Set([
  ...[
    'install',
    'i',
    'ci',
    'clean-install',
    'install-test',
    'it',
    'add',
    'remove',
    'rm',
    'uninstall',
    'un',
  ],
  ...[
    'update',
    'up',
    'upgrade',
    'outdated',
    'audit',
    'why',
    'ls',
    'list',
    'link',
    'ln',
    'unlink',
    'dedupe',
  ],
  ...[
    'fetch',
    'import',
    'rebuild',
    'rb',
    'prune',
    'store',
    'pack',
    'info',
    'view',
    'pm',
    'patch',
    'global',
  ],
  ...['deploy', 'licenses', 'config', 'cache', 'up', 'set', 'test', 't'],
])
/** And after these up to the next word. */
const STARTERS = new Set(['run', 'run-script', 'exec', 'dlx', 'x', 'create', 'init', 'start'])

export function commandPlace(command: readonly string[], place: ExecPlace): CommandPlace {
  const found = familyOf(command, place.cwd)
  if (found === undefined) return { family: undefined, place }
  const kind = kindOf(found)
  const options = optionsOf(command, kind)
  const unknown = options.find(([name]) => UNKNOWN[kind].test(name))
  const folder = options.findLast(([name]) => FOLDER[kind].includes(name))?.[1]
  const cwd = folder === undefined ? place.cwd : resolve(place.cwd, folder)
  const own: ExecPlace = {
    ...place,
    cwd,
    ...(kind === 'npm' && { env: npmEnvironment(options, place, folder) }),
    ...(kind === 'npm' && folder !== undefined && { project: cwd }),
  }
  return {
    family: familyOf(command, cwd),
    place: isGlobal(options, own, kind) ? outside(own, kind) : own,
    ...(unknown !== undefined && {
      obstacle: { reason: `its ${unknown[0]} is on the command line, which only it understands` },
    }),
  }
}

/** Where no lockfile is either; but pnpm 11 reads the project's files with -g, too. */
function outside(place: ExecPlace, kind: Kind): ExecPlace {
  const cwd = kind === 'pnpm' ? place.cwd : parse(place.cwd).root
  return { ...place, cwd, project: null }
}

function kindOf(family: ClientFamily): Kind {
  return family === 'yarn-berry' || family === 'yarn-classic' ? 'yarn' : family
}

/** npm and pnpm take one for two. */
const ONE_DASH = /^-(?=(?:prefix|dir|global|location|userconfig|globalconfig|registry)$)/

/** Those of the client itself, with their values; the next word counts as one, too. */
function optionsOf(
  command: readonly string[],
  kind: Kind,
): [name: string, value: string | undefined][] {
  const args = ownArguments(argumentsOf(command), kind, isRunnerOnly(command))
  return args.flatMap((arg, at) => {
    if (!arg.startsWith('-')) return []
    const [, name = arg, value] = /^(-[^=]*)=(.*)$/s.exec(arg) ?? []
    return [[name.replace(ONE_DASH, '--'), value ?? args[at + 1]]]
  })
}

function ownArguments(args: readonly string[], kind: Kind, isRunner: boolean): readonly string[] {
  const dashes = args.indexOf('--')
  const known = dashes === -1 ? args : args.slice(0, dashes)
  // npm looks for its options among all words.
  if (kind === 'npm' && !isRunner) return known
  let starts = isRunner
  for (const [at, arg] of known.entries()) {
    if (arg.startsWith('-') || WITH_VALUE.has(known[at - 1] ?? '')) continue
    if (starts) return known.slice(0, at)
    if (OWN_COMMANDS.has(arg)) return known
    if (!STARTERS.has(arg)) return known.slice(0, at)
    starts = true
  }
  return known
}

/** With what the options say in place of what the environment says. */
function npmEnvironment(
  options: readonly [name: string, value: string | undefined][],
  { env, cwd }: ExecPlace,
  folder: string | undefined,
): ExecPlace['env'] {
  const said: Record<string, string> =
    folder === undefined ? {} : { npm_config_prefix: resolve(cwd, folder) }
  for (const [name, value] of options) {
    const isFile = name === '--userconfig' || name === '--globalconfig'
    if (isFile && value !== undefined) {
      said[`npm_config_${name.slice(2)}`] = resolve(cwd, value)
    }
  }
  const kept = Object.entries(env).filter(([name]) => said[name.toLowerCase()] === undefined)
  return { ...Object.fromEntries(kept), ...said }
}

/** npm, pnpm and Bun then read no file of the project. */
function isGlobal(
  options: readonly [name: string, value: string | undefined][],
  { env }: ExecPlace,
  kind: Kind,
): boolean {
  if (kind === 'yarn' || kind === 'deno') return false
  const said = options.findLast(
    ([name]) =>
      /^--(?:no-)?(?:global|local|location)$/.test(name) ||
      /^-[DEOPSfgly]*g[DEOPSfgly]*$/.test(name),
  )
  if (said === undefined) return kind === 'npm' && isGlobalByEnvironment(env)
  const [name, value] = said
  if (name === '--location') return value === 'global'
  return !['--no-global', '--local'].includes(name) && !(name === '--global' && value === 'false')
}

function isGlobalByEnvironment(env: ExecPlace['env']): boolean {
  return Object.entries(env).some(
    ([name, value]) =>
      (/^npm_config_global$/i.test(name) && value === 'true') ||
      (/^npm_config_location$/i.test(name) && value === 'global'),
  )
}
