/**
 * Real build tools on a small monorepo: how each is run, what tells it where results are, and how many tasks it says it has taken
 * from there. Turborepo and pnpm come from test/clients, Nx from bench/rivals, as it takes more room than it shows. They talk to
 * nobody but the address that they are given.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execute, isolatedEnvironment, type ClientResult } from './client.ts'
import { clientCommand, findClient } from './clients.ts'

export type BuildToolName = 'Turborepo' | 'Nx' | 'pnpm'

/** Where results are. */
export interface ResultsPlace {
  /** `http://…/-/catalog/builds/TEAM` */
  readonly url: string
  readonly token: string
}

export interface BuildTool {
  readonly name: BuildToolName
  /** By the folder of the monorepo. */
  command(folder: string): readonly string[]
  variables(place: ResultsPlace): Readonly<Record<string, string>>
  /** What its output says of tasks whose results it had not to make, on this machine or elsewhere. */
  readonly cached: RegExp
}

const ROOT = join(import.meta.dirname, '..', '..')
const CLIENTS = join(ROOT, 'test', 'clients', 'node_modules')
const RIVALS = join(ROOT, 'bench', 'rivals', 'node_modules')
const TIMEOUT_MS = 120_000
const TEAM = 'acme'

/** A second lock on a result, which the tool alone has. */
export interface ToolKeys {
  readonly turborepo: string
  readonly pnpmPublic: string
  readonly pnpmPrivate: string
}

export function toolKeys(): ToolKeys {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return {
    turborepo: publicKey.export({ type: 'spki', format: 'der' }).toString('hex').slice(-64),
    pnpmPublic: publicKey.export({ type: 'spki', format: 'der' }).toString('base64'),
    pnpmPrivate: privateKey.export({ type: 'pkcs8', format: 'der' }).toString('base64'),
  }
}

export function buildTools(keys: ToolKeys): readonly BuildTool[] {
  return [
    {
      name: 'Turborepo',
      command: () => [turboExecutable(), 'run', 'build'],
      variables: ({ url, token }) => ({
        ...{ TURBO_API: url, TURBO_TOKEN: token, TURBO_TEAM: TEAM },
        TURBO_REMOTE_CACHE_SIGNATURE_KEY: keys.turborepo,
      }),
      cached: /(\d+) cached/,
    },
    {
      name: 'Nx',
      command: (folder) => [process.execPath, nxProgram(folder), 'run-many', '-t', 'build'],
      variables: ({ url, token }) => ({
        NX_SELF_HOSTED_REMOTE_CACHE_SERVER: url,
        NX_SELF_HOSTED_REMOTE_CACHE_ACCESS_TOKEN: token,
      }),
      cached: /(\d+)\/\d+ hit/,
    },
    {
      name: 'pnpm',
      command: () => [...clientCommand(findClient('pnpm-12')), 'pipeline', '--full'],
      variables: ({ url, token }) => ({
        ...{ PNPM_REMOTE_CACHE_TYPE: 'turborepo', PNPM_REMOTE_CACHE_URL: url },
        ...{ PNPM_REMOTE_CACHE_ORG: TEAM, PNPM_REMOTE_CACHE_PUBLISH: 'true' },
        PNPM_REMOTE_CACHE_TRUSTED_KEYS: JSON.stringify({ builder: keys.pnpmPublic }),
        ...{ PNPM_REMOTE_CACHE_KEY_ID: 'builder', PNPM_REMOTE_CACHE_BUILDER_ID: 'builder' },
        PNPM_REMOTE_CACHE_PRIVATE_KEY: keys.pnpmPrivate,
        [`npm_config_${url.slice('http:'.length)}/:_authToken`]: token,
      }),
      cached: /\((\d+) from cache\)/,
    },
  ]
}

/** Why it can't be run here; undefined: it can. */
export function whyNoTool({ name, command }: BuildTool): string | undefined {
  const [program = '', script] = command('')
  if (name === 'pnpm' && spawnSync('git', ['--version']).error) return 'pnpm pipeline needs git'
  const file = name === 'Nx' ? join(RIVALS, 'nx', 'package.json') : (script && program) || program
  if (existsSync(file)) return undefined
  if (name === 'Nx') return 'Nx is not installed: run `npm ci` in bench/rivals'
  return `${name} is not in test/clients, or has no build for ${process.platform}-${process.arch}`
}

export interface ToolRun extends ClientResult {
  /** Tasks whose results were there; undefined: it has not said. */
  readonly cached: number | undefined
}

/** One build of the monorepo. `place` undefined: with nothing but what its folder and `home` hold. */
export async function runTool(
  tool: BuildTool,
  { folder, home, place }: { folder: string; home: string; place: ResultsPlace | undefined },
): Promise<ToolRun> {
  await mkdir(join(home, 'tmp'), { recursive: true })
  const env = { ...isolatedEnvironment(home), ...QUIET, ...(place && tool.variables(place)) }
  const [program = '', ...args] = tool.command(folder)
  const result = await execute(program, args, { cwd: folder, env, timeoutMs: TIMEOUT_MS })
  const cached = tool.cached.exec(result.output)?.[1]
  return { ...result, cached: cached === undefined ? undefined : Number(cached) }
}

/** They say nothing to anybody, keep no process behind, and ask no questions. */
const QUIET = {
  ...{ CI: '1', DO_NOT_TRACK: '1', TURBO_TELEMETRY_DISABLED: '1', TURBO_NO_UPDATE_NOTIFIER: '1' },
  ...{ NX_DAEMON: 'false', NX_NO_CLOUD: 'true', NX_TUI: 'false' },
}

/** Writes it. Its packages are named p0 and so on, and each makes `dist/out.js`. */
export async function writeMonorepo(
  folder: string,
  tool: BuildToolName,
  {
    packages,
    bytes,
    cpuMs,
  }: { readonly packages: number; readonly bytes: number; readonly cpuMs: number },
): Promise<void> {
  const write = async (path: string, content: string | object): Promise<void> => {
    await mkdir(join(folder, path, '..'), { recursive: true })
    const text = typeof content === 'string' ? content : JSON.stringify(content, null, 2)
    await writeFile(join(folder, path), text)
  }
  const names = Array.from({ length: packages }, (_, index) => `p${index}`)
  const isPnpm = tool === 'pnpm'
  const root = { name: 'monorepo', private: true, workspaces: ['packages/*'] }
  await write('package.json', { ...root, ...(!isPnpm && { packageManager: 'npm@11.0.0' }) })
  await write('.gitignore', 'node_modules\ndist\n.turbo\n.nx\n')
  for (const name of names) {
    const build = { build: 'node build.cjs' }
    await write(`packages/${name}/package.json`, { name, version: '1.0.0', scripts: build })
    await write(`packages/${name}/build.cjs`, buildScript(name, bytes, cpuMs))
  }
  if (isPnpm) {
    const importers = ['.', ...names.map((name) => `packages/${name}`)]
    await write('pnpm-lock.yaml', pnpmLockfile(importers))
    await write('pnpm-workspace.yaml', PNPM_WORKSPACE)
    // What git tracks is what goes into a task's hash.
    for (const args of [
      ['init', '-q'],
      ['add', '-A'],
    ])
      execFileSync('git', args, { cwd: folder })
    return
  }
  await write('package-lock.json', npmLockfile(names))
  const outputs = ['dist/**']
  const remoteCache = { signature: true }
  if (tool === 'Turborepo')
    await write('turbo.json', { tasks: { build: { outputs } }, remoteCache })
  if (tool === 'Nx') {
    const build = { cache: true, outputs: ['{projectRoot}/dist'] }
    await write('nx.json', { targetDefaults: { build }, analytics: false })
    await mkdir(join(folder, 'node_modules'))
    await symlink(join(RIVALS, 'nx'), join(folder, 'node_modules', 'nx'), 'junction')
  }
}

export function outputOf(folder: string, index: number): string {
  return join(folder, 'packages', `p${index}`, 'dist', 'out.js')
}

const PNPM_WORKSPACE = `packages: ['packages/*']
tasks:
  build:
    outputs: ['dist/**']
pipelines:
  default: [build]
`

/** Keeps a processor busy, as a build does, and always gives the same. */
function buildScript(name: string, bytes: number, cpuMs: number): string {
  return `const { mkdirSync, writeFileSync } = require('node:fs')
const { createHash } = require('node:crypto')
let [hash, text] = ['${name}', '']
const next = () => (hash = createHash('sha256').update(hash).digest('hex'))
while (text.length < ${bytes}) text += next()
while (process.cpuUsage().user < ${cpuMs * 1000}) next()
mkdirSync('dist', { recursive: true })
writeFileSync('dist/out.js', text)
`
}

function npmLockfile(names: readonly string[]): object {
  const links = names.flatMap((name) => [
    [`packages/${name}`, { name, version: '1.0.0' }] as const,
    [`node_modules/${name}`, { resolved: `packages/${name}`, link: true }] as const,
  ])
  const packages = { '': { name: 'monorepo', workspaces: ['packages/*'] } }
  return { lockfileVersion: 3, packages: { ...packages, ...Object.fromEntries(links) } }
}

function pnpmLockfile(importers: readonly string[]): string {
  const entries = importers.map((path) => `  ${path}: {}\n`).join('\n')
  return `lockfileVersion: '9.0'\n\nimporters:\n\n${entries}`
}

function turboExecutable(): string {
  const system = { win32: 'windows' }[process.platform as string] ?? process.platform
  const machine = process.arch === 'x64' ? '64' : process.arch
  const file = process.platform === 'win32' ? 'turbo.exe' : 'turbo'
  return join(CLIENTS, '@turbo', `${system}-${machine}`, 'bin', file)
}

function nxProgram(folder: string): string {
  return join(folder, 'node_modules', 'nx', 'dist', 'bin', 'nx.js')
}
