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

/** Undefined: something else, which may start any of them. */
export function familyOf(command: readonly string[], cwd: string): ClientFamily | undefined {
  const [program = '', ...args] = command
  const isRunner = ['corepack', 'node'].includes(nameOf(program))
  return ofPath((isRunner ? args.find((arg) => !arg.startsWith('-')) : program) ?? '', cwd)
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

function nameOf(program: string): string {
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
