/** Which package manager a command starts, as far as its name tells. Pure but for the files that tell Yarn 1 from Yarn 2. */
import { join } from 'node:path'
import { foldersUpwards, readText } from './project-files.ts'

export const FAMILIES = ['npm', 'pnpm', 'yarn-classic', 'yarn-berry', 'bun', 'deno'] as const
/** Package managers that are configured in the same way. */
export type ClientFamily = (typeof FAMILIES)[number]

const BY_NAME: ReadonlyMap<string, ClientFamily | 'yarn'> = new Map([
  ...(['npm', 'npx', 'npm-cli', 'npx-cli'] as const).map((name) => [name, 'npm'] as const),
  ...(['pnpm', 'pnpx'] as const).map((name) => [name, 'pnpm'] as const),
  ...(['yarn', 'yarnpkg'] as const).map((name) => [name, 'yarn'] as const),
  ...(['bun', 'bunx'] as const).map((name) => [name, 'bun'] as const),
  ...(['deno', 'dx'] as const).map((name) => [name, 'deno'] as const),
])

/** What needs the user's own account at the registry, whose token is for that registry's address and no other. */
const WITH_ACCOUNT = new Set([
  ...['publish', 'unpublish', 'deprecate', 'undeprecate', 'dist-tag', 'owner', 'access', 'team'],
  ...['org', 'star', 'unstar', 'login', 'logout', 'adduser', 'whoami', 'token', 'profile', 'stage'],
])

/** Options whose value is the next word, before the command; of any client, where none has one of the name without a value. */
export const WITH_VALUE: ReadonlySet<string> = new Set([
  ...['-w', '--workspace', '--tag', '--registry', '--otp', '--access', '--scope', '--userconfig'],
  ...['--globalconfig', '--cache', '--prefix', '--loglevel', '--before', '--provenance-file'],
  ...['--filter', '-F', '--filter-prod', '-C', '--dir', '--reporter', '--store-dir', '--cwd'],
  ...['--include', '--exclude', '--from', '-j', '--jobs', '--config', '-c', '--modules-folder'],
])
/** Words of Yarn (and pnpm) that come before another command. */
const BEFORE: Readonly<Record<string, number>> = { npm: 0, workspace: 1, workspaces: 0, foreach: 0 }

/** `npm publish` and its like; the word, or undefined. */
export function accountCommand(command: readonly string[]): string | undefined {
  const start = startOf(command)
  const words = wordsOf(argumentsOf(command))
  const prefixes = BY_NAME.get(nameOf(command[start]).replace(/[-@]\d.*$/, '')) === 'yarn'
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] ?? ''
    const skipped = prefixes ? BEFORE[word] : undefined
    if (skipped === undefined) return WITH_ACCOUNT.has(word) ? word : undefined
    at += skipped
  }
  return undefined
}

/** Where the package manager stands. */
function startOf(command: readonly string[]): number {
  return isRunner(command[0]) ? 1 + command.slice(1).findIndex(isNoOption) : 0
}

/** What comes after the package manager. */
export function argumentsOf(command: readonly string[]): readonly string[] {
  return command.slice(startOf(command) + 1)
}

/** `npx` and its like, whose first word is another program. */
export function isRunnerOnly(command: readonly string[]): boolean {
  return ['npx', 'npx-cli', 'pnpx', 'bunx', 'dx'].includes(nameOf(command[startOf(command)]))
}

/** Without options, and without the values of those that have one. */
function wordsOf(args: readonly string[]): string[] {
  return args.filter((arg, at) => isNoOption(arg) && !WITH_VALUE.has(args[at - 1] ?? ''))
}

function isNoOption(arg: string): boolean {
  return !arg.startsWith('-')
}

/** Undefined: something else, which may start any of them. */
export function familyOf(command: readonly string[], cwd: string): ClientFamily | undefined {
  const [program = '', ...args] = command
  return ofPath((isRunner(program) ? args.find((arg) => !arg.startsWith('-')) : program) ?? '', cwd)
}

function isRunner(program = ''): boolean {
  return ['corepack', 'node'].includes(nameOf(program))
}

function ofPath(path: string, cwd: string): ClientFamily | undefined {
  const name = nameOf(path)
  // .yarn/releases/yarn-4.9.1.cjs, and `corepack yarn@4`
  const known = BY_NAME.get(name.replace(/[-@]\d.*$/, ''))
  if (known !== 'yarn') return known
  const major = /^yarn[-@](\d+)/.exec(name)?.[1]
  if (major !== undefined) return major === '1' ? 'yarn-classic' : 'yarn-berry'
  return /@yarnpkg[/\\]cli-dist/.test(path) ? 'yarn-berry' : yarnFamily(cwd)
}

function nameOf(program = ''): string {
  const file = program.split(/[/\\]/).at(-1) ?? ''
  return file.toLowerCase().replace(/\.(?:cmd|exe|ps1|bat|c?js|mjs)$/, '')
}

/** Yarn 1 and its successors have one name; what lies in the project says which one will run. */
export function yarnFamily(cwd: string): 'yarn-classic' | 'yarn-berry' {
  for (const folder of foldersUpwards(cwd)) {
    const lockfile = readText(join(folder, 'yarn.lock'))
    if (lockfile !== undefined && /^__metadata:/m.test(lockfile)) return 'yarn-berry'
    if (lockfile?.includes('# yarn lockfile v1') === true) return 'yarn-classic'
    if (readText(join(folder, '.yarnrc.yml')) !== undefined) return 'yarn-berry'
    const manifest = readText(join(folder, 'package.json')) ?? ''
    const major = /"packageManager"\s*:\s*"yarn@(\d+)/.exec(manifest)?.[1]
    if (major !== undefined) return major === '1' ? 'yarn-classic' : 'yarn-berry'
  }
  return 'yarn-classic'
}
