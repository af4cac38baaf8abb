/**
 * What a command line tells about the package manager that it starts: which one, whether it installs, which of its options
 * choose a folder or a registry. Reads words, and the files that tell Yarn 1 from its successors. Does not interpret
 * configuration: for that the client is asked.
 */
import { join, resolve } from 'node:path'
import { foldersUpwards, readManifest, readText } from './project-files.ts'

/** Package managers, by the way they are configured: Yarn 1 and its successors differ. */
export type ClientFamily = 'npm' | 'pnpm' | 'yarn-classic' | 'yarn-berry' | 'bun' | 'deno'

export interface ClientCommand {
  readonly family: ClientFamily
  /** The words that start it, before its arguments. */
  readonly program: readonly string[]
  /** Its first word, without options: `ci`, `install`. */
  readonly verb: string | undefined
  /** It only installs packages; any other command may start any program. */
  readonly isInstall: boolean
  /** The arguments that may change which registry it asks, as they were given. */
  readonly handedOn: readonly string[]
  /** The folder it works in. */
  readonly cwd: string
  /** Why the command line alone leaves open which registry it asks. */
  readonly unknown: string | undefined
}

const BY_NAME: ReadonlyMap<string, ClientFamily | 'yarn'> = new Map([
  ...(['npm', 'npx', 'npm-cli', 'npx-cli'] as const).map((name) => [name, 'npm'] as const),
  ...(['pnpm', 'pnpx'] as const).map((name) => [name, 'pnpm'] as const),
  ...(['yarn', 'yarnpkg'] as const).map((name) => [name, 'yarn'] as const),
  ...(['bun', 'bunx'] as const).map((name) => [name, 'bun'] as const),
  ...(['deno', 'dx'] as const).map((name) => [name, 'deno'] as const),
])
/** Runners: their first word names another program. */
const RUNNERS = ['npx', 'npx-cli', 'pnpx', 'bunx', 'dx']

const INSTALLS = new Set([
  ...['install', 'i', 'ci', 'clean-install', 'install-clean', 'cit', 'install-ci-test', 'add', 'a'],
  ...['install-test', 'it', 'remove', 'rm', 'uninstall', 'un', 'r', 'update', 'up', 'upgrade'],
  ...['dedupe', 'ddp', 'fetch', 'import', 'cache'],
])

/** Commands that need the user's account at the registry: its token is tied to the registry's own address. */
const WITH_ACCOUNT = new Set([
  ...['publish', 'unpublish', 'deprecate', 'undeprecate', 'dist-tag', 'owner', 'access', 'team'],
  ...['org', 'star', 'unstar', 'login', 'logout', 'adduser', 'whoami', 'token', 'profile', 'stage'],
])

/** Options whose value is the next word, of any client, where none has one of the name without a value. */
const WITH_VALUE: ReadonlySet<string> = new Set([
  ...['-w', '--workspace', '--tag', '--registry', '--otp', '--access', '--scope', '--userconfig'],
  ...['--globalconfig', '--cache', '--prefix', '--loglevel', '--before', '--provenance-file'],
  ...['--filter', '-F', '--filter-prod', '-C', '--dir', '--reporter', '--store-dir', '--cwd'],
  ...['--include', '--exclude', '--from', '-j', '--jobs', '--config', '-c', '--modules-folder'],
])
/** Words of Yarn that come before another command, and how many follow them. */
const YARNS_PREFIXES: Readonly<Record<string, number>> = {
  ...{ npm: 0, workspace: 1, workspaces: 0, foreach: 0 },
}

const FOLDER = /^(?:--prefix|--dir|--cwd|-C)$/
/** They change no registry, and npm's question takes none of them. */
const WORKSPACES = /^(?:-w|-ws|--workspaces?)(?:=|$)/
/** Another registry, other files, or no project at all; several letters behind one dash may hold any of them. */
const ELSEWHERE =
  /^(?:-\w{2,}|-[cg]|--(?:config\.)?(?:(?:@[^:]+:)?registry|(?:user|global)config)|--(?:npmrc-auth-file|use-yarnrc|config|global|location))$/

/** undefined: not a package manager. */
export function readClientCommand(
  command: readonly string[],
  cwd: string,
): ClientCommand | undefined {
  const start = isRunner(command[0]) ? 1 + command.slice(1).findIndex(isNoOption) : 0
  const path = command[start] ?? ''
  const kind = kindOf(path)
  if (kind === undefined) return undefined
  const args = beforeDashes(command.slice(start + 1))
  const options = optionsOf(args)
  const folder = options.findLast(({ name }) => FOLDER.test(name))
  const at = folder === undefined ? cwd : resolve(cwd, folder.value)
  const family = kind === 'yarn' ? yarnFamily(path, at) : kind
  const verb = wordsOf(args)[0]
  const runs = RUNNERS.includes(nameOf(path))
  // `yarn` without a word installs; the others print their help.
  const isInstall = !runs && (verb === undefined ? kind === 'yarn' : INSTALLS.has(verb))
  const isNpm = family === 'npm'
  // npm is asked with all its words, and reads them itself.
  const elsewhere = isNpm ? undefined : options.find(({ name }) => ELSEWHERE.test(name))
  const unknown = elsewhere && `its ${elsewhere.name} is on the command line`
  const handedOn = isNpm ? args.filter((word) => !WORKSPACES.test(word)) : (folder?.words ?? [])
  const program = command.slice(0, start + 1)
  return { family, program, verb, isInstall, handedOn, cwd: at, unknown }
}

/** `npm publish` and its like; the word, or undefined. */
export function accountCommand({ family, program }: ClientCommand, command: readonly string[]) {
  const words = wordsOf(command.slice(program.length))
  const isYarn = family.startsWith('yarn')
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] ?? ''
    const skipped = isYarn ? YARNS_PREFIXES[word] : undefined
    if (skipped === undefined) return WITH_ACCOUNT.has(word) ? word : undefined
    at += skipped
  }
  return undefined
}

interface Option {
  readonly name: string
  /** '': none. */
  readonly value: string
  /** As they were given. */
  readonly words: readonly string[]
}

function optionsOf(args: readonly string[]): Option[] {
  return args.flatMap((arg, at) => {
    if (isNoOption(arg)) return []
    const [, name, value] = /^(-[^=]*)=(.*)$/s.exec(arg) ?? []
    if (name !== undefined) return [{ name, value: value ?? '', words: [arg] }]
    const next = args[at + 1] ?? ''
    return [{ name: arg, value: next, words: [arg, next] }]
  })
}

function beforeDashes(args: readonly string[]): readonly string[] {
  const dashes = args.indexOf('--')
  return dashes === -1 ? args : args.slice(0, dashes)
}

/** Without options, and without the values of those that have one. */
function wordsOf(args: readonly string[]): string[] {
  return args.filter((arg, at) => isNoOption(arg) && !WITH_VALUE.has(args[at - 1] ?? ''))
}

function isNoOption(arg: string): boolean {
  return !arg.startsWith('-')
}

function isRunner(program = ''): boolean {
  return ['corepack', 'node'].includes(nameOf(program))
}

/** .yarn/releases/yarn-4.9.1.cjs and `corepack yarn@4` are Yarn, too. */
function kindOf(path: string): ClientFamily | 'yarn' | undefined {
  return BY_NAME.get(nameOf(path).replace(/[-@]\d.*$/, ''))
}

function nameOf(program = ''): string {
  const file = program.split(/[/\\]/).at(-1) ?? ''
  return file.toLowerCase().replace(/\.(?:cmd|exe|ps1|bat|c?js|mjs)$/, '')
}

/**
 * Yarn 1 and its successors share one name; the project's files tell which one will run. After a wrong guess the client fails
 * to answer the question, and is skipped.
 */
function yarnFamily(path: string, cwd: string): 'yarn-classic' | 'yarn-berry' {
  const named = (major: string | undefined) => (major === '1' ? 'yarn-classic' : 'yarn-berry')
  const major = /^yarn[-@](\d+)/.exec(nameOf(path))?.[1]
  if (major !== undefined || /@yarnpkg[/\\]cli-dist/.test(path)) return named(major)
  for (const folder of foldersUpwards(cwd)) {
    const lockfile = readText(join(folder, 'yarn.lock'))
    if (lockfile !== undefined && /^__metadata:/m.test(lockfile)) return 'yarn-berry'
    if (lockfile?.includes('# yarn lockfile v1') === true) return 'yarn-classic'
    if (readText(join(folder, '.yarnrc.yml')) !== undefined) return 'yarn-berry'
    const { packageManager } = readManifest(folder)
    const [, wanted] = /^yarn@(\d+)/.exec(String(packageManager)) ?? []
    if (wanted !== undefined) return named(wanted)
  }
  return 'yarn-classic'
}
