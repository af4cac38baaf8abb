/**
 * The package managers that tests drive: what each one's executable is in test/clients, how it is
 * told about a registry by files and variables of an isolated home, and the arguments that make it
 * install. One table; running them is client.ts's business.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'

export type ClientName =
  | 'npm-10'
  | 'npm-11'
  | 'npm-12'
  | 'pnpm-10'
  | 'pnpm-11'
  | 'pnpm-12'
  | 'yarn-1'
  | 'yarn-4'
  | 'bun'
  | 'deno'

export interface Client {
  readonly name: ClientName
  readonly lockfile: string
  /** Makes or updates the lockfile. */
  readonly install: readonly string[]
  /** Installs what the lockfile says, and fails rather than change it. */
  readonly frozen: readonly string[]
  /** Whether its lockfile can be free of the registry's address: facts, not wishes. */
  readonly hasPortableLockfile: boolean
  /** Path of a script for Node or of an executable, under test/clients/node_modules. */
  readonly program: { readonly script: string } | { readonly executable: string }
  /** Files of the home folder, by path. */
  files(registry: string): Readonly<Record<string, string>>
  /** Variables; `home` is the isolated home folder. */
  variables(home: string): Readonly<Record<string, string>>
}

const CLIENTS_FOLDER = join(import.meta.dirname, '..', 'clients', 'node_modules')

const npmrc = (registry: string): Record<string, string> => ({
  '.npmrc': `registry=${registry}/\nfund=false\nupdate-notifier=false\n`,
})

function npm(major: 10 | 11 | 12): Client {
  return {
    name: `npm-${major}`,
    lockfile: 'package-lock.json',
    install: ['install'],
    frozen: ['ci'],
    hasPortableLockfile: true,
    program: { script: `npm-${major}/bin/npm-cli.js` },
    files: npmrc,
    variables: (home) => ({
      npm_config_cache: join(home, 'npm-cache'),
      npm_config_userconfig: join(home, '.npmrc'),
      npm_config_globalconfig: join(home, 'global.npmrc'),
      npm_config_prefix: join(home, 'npm-prefix'),
    }),
  }
}

function pnpm(major: 10 | 11 | 12): Client {
  const executable = `@pnpm/exe.${process.platform}-${process.arch}/pnpm${exeSuffix()}`
  return {
    name: `pnpm-${major}`,
    lockfile: 'pnpm-lock.yaml',
    install: ['install', '--no-frozen-lockfile'],
    frozen: ['install', '--frozen-lockfile'],
    hasPortableLockfile: true,
    program: major === 12 ? { executable } : { script: `pnpm-${major}/bin/pnpm.cjs` },
    files: npmrc,
    variables: (home) => ({
      PNPM_HOME: join(home, 'pnpm'),
      // pnpm 10 reads npm_config_*, later ones pnpm_config_*.
      npm_config_store_dir: join(home, 'pnpm-store'),
      pnpm_config_store_dir: join(home, 'pnpm-store'),
      npm_config_userconfig: join(home, '.npmrc'),
    }),
  }
}

const yarn1: Client = {
  name: 'yarn-1',
  lockfile: 'yarn.lock',
  install: ['install', '--non-interactive'],
  frozen: ['install', '--non-interactive', '--frozen-lockfile'],
  hasPortableLockfile: false,
  program: { script: 'yarn/bin/yarn.js' },
  files: (registry) => ({
    ...npmrc(registry),
    '.yarnrc': `registry "${registry}/"\ndisable-self-update-check true\n`,
  }),
  variables: (home) => ({ YARN_CACHE_FOLDER: join(home, 'yarn-cache') }),
}

const yarn4: Client = {
  name: 'yarn-4',
  lockfile: 'yarn.lock',
  install: ['install', '--no-immutable'],
  frozen: ['install', '--immutable'],
  hasPortableLockfile: true,
  program: { script: '@yarnpkg/cli-dist/bin/yarn.js' },
  files: (registry) => ({
    '.yarnrc.yml': [
      `npmRegistryServer: '${registry}'`,
      `unsafeHttpWhitelist: ['127.0.0.1', 'localhost']`,
      'enableTelemetry: false',
      "httpsProxy: 'http://127.0.0.1:1'", // it heeds no variable of that name; answers nobody
      'nodeLinker: node-modules',
      '',
    ].join('\n'),
  }),
  variables: (home) => ({ YARN_GLOBAL_FOLDER: join(home, 'yarn-global'), YARN_IGNORE_PATH: '1' }),
}

const bun: Client = {
  name: 'bun',
  lockfile: 'bun.lock',
  install: ['install', '--no-progress'],
  frozen: ['install', '--no-progress', '--frozen-lockfile'],
  hasPortableLockfile: true,
  program: { executable: bunExecutable() },
  files: npmrc,
  variables: (home) => ({
    BUN_INSTALL: join(home, 'bun'),
    BUN_INSTALL_CACHE_DIR: join(home, 'bun-cache'),
    DO_NOT_TRACK: '1',
  }),
}

const deno: Client = {
  name: 'deno',
  lockfile: 'deno.lock',
  install: ['install'],
  frozen: ['install', '--frozen'],
  hasPortableLockfile: true,
  program: { executable: denoExecutable() },
  files: npmrc,
  variables: (home) => ({ DENO_DIR: join(home, 'deno'), DENO_NO_UPDATE_CHECK: '1' }),
}

export const clients: readonly Client[] = [
  ...([10, 11, 12] as const).map(npm),
  ...([10, 11, 12] as const).map(pnpm),
  yarn1,
  yarn4,
  bun,
  deno,
]

/** The oldest and the newest of each: those between fetch as one of them does, and features.test.ts has them all. */
export const ends: readonly Client[] = clients.filter(
  ({ name }) => name !== 'npm-11' && name !== 'pnpm-11',
)

/** Variables with which a client does not try again by itself, and so does not wait. */
export const NO_RETRIES: Readonly<Record<string, string>> = {
  npm_config_fetch_retries: '0',
  pnpm_config_fetch_retries: '0',
  YARN_HTTP_RETRY: '0',
  BUN_CONFIG_HTTP_RETRY_COUNT: '0',
}

const OLDER: ReadonlySet<ClientName> = new Set(['npm-10', 'npm-11', 'pnpm-10', 'pnpm-11', 'yarn-1'])

/** For a suite of this client: an older one is left to `npm run test:all`. */
export function tagsOf(name: ClientName): string[] {
  return OLDER.has(name) ? ['long'] : []
}

export function findClient(name: ClientName): Client {
  const found = clients.find((each) => each.name === name)
  if (found === undefined) throw new Error(`no such client: ${name}`)
  return found
}

/** The command that starts a client, before its arguments. */
export function clientCommand(client: Client): readonly [string, ...string[]] {
  const { program } = client
  if ('script' in program) return [process.execPath, join(CLIENTS_FOLDER, program.script)]
  return [join(CLIENTS_FOLDER, program.executable)]
}

/** Why a client can't run here, or undefined when it can. */
export function whyUnavailable(client: Client): string | undefined {
  if (!existsSync(CLIENTS_FOLDER)) return 'test/clients is not set up: run `npm test` once'
  const file = clientCommand(client).at(-1)
  if (file !== undefined && existsSync(file)) return undefined
  return `${client.name} has no build for ${process.platform}-${process.arch}`
}

function exeSuffix(): string {
  return process.platform === 'win32' ? '.exe' : ''
}

function bunExecutable(): string {
  const platform = { win32: 'windows' }[process.platform as string] ?? process.platform
  const arch = { arm64: 'aarch64' }[process.arch as string] ?? process.arch
  const folders = [`@oven/bun-${platform}-${arch}`, `@oven/bun-${platform}-${arch}-musl`]
  const folder = folders.find((each) => existsSync(join(CLIENTS_FOLDER, each))) ?? folders[0]
  return `${folder}/bin/bun${exeSuffix()}`
}

function denoExecutable(): string {
  const libc = process.platform === 'linux' ? '-glibc' : ''
  return `@deno/${process.platform}-${process.arch}${libc}/deno${exeSuffix()}`
}
