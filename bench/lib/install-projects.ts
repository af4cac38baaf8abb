/**
 * Two projects to install: a web application (the tarballs of a real lockfile, 119 MB) and a library (150 of the smaller ones).
 * Their packages are flat and have no scripts: what a client does beside fetching and unpacking is less than in life. Each client
 * makes its own lockfile, and the cache that a CI would have kept.
 */
import { execFile, spawnSync } from 'node:child_process'
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { mustRunClient } from '../../test/support/client.ts'
import { findClient, type Client, type ClientName } from '../../test/support/clients.ts'
import { publicRegistry } from '../../test/support/registries/registry.ts'
import type { Corpus, CorpusFile } from './corpus.ts'
import type { BenchMachine } from './machine.ts'

export type ProjectName = 'web application' | 'library' | 'a few'

export interface Project {
  readonly name: ProjectName
  /** The tarballs that it needs. */
  readonly files: readonly CorpusFile[]
  /** package.json. */
  readonly manifest: string
}

export interface Prepared {
  readonly lockfile: string
  /** Name of a file in the folder of archives. */
  readonly archive: string
  readonly archiveBytes: number
}

export const CLIENTS = ['npm-12', 'pnpm-12', 'yarn-4', 'bun'] as const satisfies ClientName[]
export type BenchClient = (typeof CLIENTS)[number]

/** By name and place in the list of the web application, of which the others are parts. */
const CHOICES: Readonly<Record<ProjectName, (file: CorpusFile, index: number) => boolean>> = {
  'web application': () => true,
  library: ({ bytes }, index) => index % 7 === 0 && bytes < 300_000,
  'a few': () => true, // of a part of the list
}

/** What a CI keeps of each client, by its path in the home folder (clients.ts). */
const CACHES: Readonly<Record<BenchClient, string>> = {
  'npm-12': 'npm-cache',
  'pnpm-12': 'pnpm-store',
  'yarn-4': 'yarn-global',
  bun: 'bun-cache',
}

/** As CI services pack: zstd where there is one, else gzip. */
export const PACKER =
  spawnSync('zstd', ['--version']).error === undefined
    ? { program: 'zstd -T0', suffix: 'zst' }
    : { program: 'gzip', suffix: 'gz' }

const INSTALL_TIMEOUT_MS = 240_000
const execute = promisify(execFile)

export function projectOf(corpus: Corpus, name: ProjectName): Project {
  const files = corpus.files.filter(CHOICES[name])
  const dependencies: Record<string, string> = {}
  for (const { name: wanted, version } of files) {
    if (dependencies[wanted] === undefined) dependencies[wanted] = version
    else dependencies[`${wanted}-${version.replaceAll('.', '-')}`] = `npm:${wanted}@${version}`
  }
  const manifest = { name: 'measured', version: '1.0.0', private: true, dependencies }
  return { name, files, manifest: JSON.stringify(manifest, undefined, 2) }
}

/** What makes a client install what its lockfile says, and nothing else. */
export function frozenArgs(name: BenchClient): readonly string[] {
  const { frozen } = findClient(name)
  if (name === 'yarn-4') return [...frozen, '--mode=skip-build']
  return [...frozen, '--ignore-scripts', ...(name === 'npm-12' ? ['--no-audit'] : [])]
}

/** Of a folder that is empty but for what a checkout has. */
export async function checkOut(
  cwd: string,
  { manifest }: Project,
  { lockfile: name }: Client,
  lockfile?: string,
): Promise<void> {
  await mkdir(cwd, { recursive: true })
  await writeFile(join(cwd, 'package.json'), manifest)
  if (lockfile !== undefined) await writeFile(join(cwd, name), lockfile)
}

/** Yarn's file (clients.ts) names a proxy that keeps it from the internet, without exceptions; here is none to be kept from. */
export function straight(name: BenchClient): Readonly<Record<string, string>> {
  return name === 'yarn-4' ? { YARN_HTTPS_PROXY: '' } : {}
}

/** Resolves on the registry's own machine, as somebody has done before, and keeps what a frozen install there leaves in its cache. */
export async function prepare(
  name: BenchClient,
  project: Project,
  at: { folder: string; archives: string; machine: BenchMachine; registry: string },
): Promise<Prepared> {
  const client = findClient(name)
  const { machine, registry } = at
  const run = async (step: string, args: readonly string[], lockfile?: string): Promise<string> => {
    const [cwd, home] = [join(at.folder, step, 'project'), join(at.folder, step, 'home')]
    await checkOut(cwd, project, client, lockfile)
    const how = { prefix: machine.prefix, timeoutMs: INSTALL_TIMEOUT_MS, env: straight(name) }
    await mustRunClient(name, args, { cwd, home, registry, ...how })
    return join(at.folder, step)
  }
  const resolved = await run('resolved', [...client.install, ...ignoringScripts(name)])
  const written = await readFile(join(resolved, 'project', client.lockfile), 'utf8')
  const lockfile = portable(name, written, registry)
  const frozen = await run('frozen', frozenArgs(name), lockfile)
  const archive = `${name}-${project.name.replaceAll(' ', '-')}.tar.${PACKER.suffix}`
  const file = join(at.archives, archive)
  const from = ['-C', join(frozen, 'home'), CACHES[name]]
  await execute('tar', ['-I', PACKER.program, '-cf', file, ...from])
  return { lockfile, archive, archiveBytes: (await stat(file)).size }
}

function ignoringScripts(name: BenchClient): readonly string[] {
  return name === 'yarn-4' ? ['--mode=skip-build'] : ['--ignore-scripts']
}

/** As it would be had the public registry been asked: npm then goes to whichever it is configured with, and Bun too. */
function portable(name: BenchClient, lockfile: string, registry: string): string {
  if (name === 'npm-12') return lockfile.replaceAll(`${registry}/`, `${publicRegistry()}/`)
  if (name !== 'bun') return lockfile
  return lockfile.replaceAll(/"https?:\/\/127\.0\.0\.1:\d+\/[^"]*"/g, '""')
}
