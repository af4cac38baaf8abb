/**
 * Our packages as strangers get them: built, packed with npm, and offered by a loopback registry beside everything they
 * depend on (made from what is installed here, so that the public registry is not needed).
 */
import { createHash } from 'node:crypto'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { clientCommand, findClient } from '../clients.ts'
import { execute, isolatedEnvironment } from '../client.ts'
import type { FixturePackage, ManifestFields } from '../fixture-packages.ts'
import { repositoryRoot } from '../source-tree.ts'
import { madeOnce } from '../test-run.ts'
import { packTarball, type TarFile } from '../tarball.ts'

const BUILD_TIMEOUT_MS = 120_000
/** What is published, by folder. */
export const OURS = [
  'core',
  'gateway',
  'plugins/yarn',
  'plugins/verdaccio',
  'plugins/pnpm',
  'plugins/bun',
] as const

/** Everything that installing our packages takes; they are built and packed once per test run. */
export async function publishedPackages(): Promise<readonly FixturePackage[]> {
  const packed = await packedOnce()
  const ours = await Promise.all(OURS.map((folder) => readOurs(folder, packed)))
  return [...ours, ...(await dependencies())]
}

/** The tarball that npm makes of one of our folders. */
export async function packedTarball(folder: (typeof OURS)[number]): Promise<Buffer> {
  return (await readOurs(folder, await packedOnce())).tarball
}

async function packedOnce(): Promise<string> {
  return await madeOnce('published', async (home) => {
    await run([process.execPath, join(repositoryRoot, 'bootstrap.mjs'), 'build'], home)
    for (const folder of OURS) await packOurs(folder, home)
  })
}

/** A package among the test clients with everything that it depends on, to be installed from a loopback registry. */
export async function clientPackages(name: string): Promise<readonly FixturePackage[]> {
  const root = join(repositoryRoot, 'test', 'clients')
  const lock = await readLock(root)
  const wanted = new Set<string>()
  const waiting = [`node_modules/${name}`]
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    const entry = lock[path]
    if (entry === undefined || wanted.has(path)) continue
    wanted.add(path)
    const names = Object.keys({ ...entry.dependencies, ...entry.optionalDependencies })
    waiting.push(...names.map((each) => resolveInLock(lock, path, each)))
  }
  return await packInstalled(root, [...wanted])
}

async function run(command: readonly string[], home: string): Promise<void> {
  const [program = '', ...args] = command
  const env = isolatedEnvironment(home)
  const { exitCode, output } = await execute(program, args, {
    cwd: repositoryRoot,
    env,
    timeoutMs: BUILD_TIMEOUT_MS,
  })
  if (exitCode !== 0) throw new Error(`${command.join(' ')}:\n${output.slice(-4000)}`)
}

async function packOurs(folder: string, home: string): Promise<void> {
  const npm = clientCommand(findClient('npm-11'))
  await run([...npm, 'pack', `./${folder}`, '--pack-destination', home, '--ignore-scripts'], home)
}

async function readOurs(folder: string, home: string): Promise<FixturePackage> {
  const manifest = await readManifest(join(repositoryRoot, folder))
  const file = `${manifest.name.replace('@', '').replace('/', '-')}-${manifest.version}.tgz`
  return toPackage(manifest, await readFile(join(home, file)))
}

async function dependencies(): Promise<FixturePackage[]> {
  const entries = Object.entries(await readLock(repositoryRoot))
  const paths = entries.flatMap(([path, { dev, link }]) =>
    path.includes('node_modules/') && dev !== true && link !== true ? [path] : [],
  )
  return await packInstalled(repositoryRoot, paths)
}

type Lock = Record<
  string,
  { dev?: boolean; link?: boolean; dependencies?: object; optionalDependencies?: object }
>

async function readLock(root: string): Promise<Lock> {
  const text = await readFile(join(root, 'package-lock.json'), 'utf8')
  return (JSON.parse(text) as { packages: Lock }).packages
}

/** Where Node would find `name` from the package at `from`. */
function resolveInLock(lock: Lock, from: string, name: string): string {
  for (let base = `${from}/`; ; base = base.slice(0, base.lastIndexOf('node_modules/'))) {
    const path = `${base}node_modules/${name}`
    if (base === '' || lock[path] !== undefined) return path
  }
}

async function packInstalled(root: string, paths: readonly string[]): Promise<FixturePackage[]> {
  const found = new Map<string, FixturePackage>()
  for (const path of paths) {
    const folder = join(root, path)
    if (!(await isFolder(folder))) continue // for another platform
    const manifest = await readManifest(folder)
    const key = `${manifest.name}@${manifest.version}`
    if (!found.has(key)) found.set(key, toPackage(manifest, packTarball(await filesOf(folder))))
  }
  return [...found.values()]
}

async function filesOf(folder: string): Promise<TarFile[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files: TarFile[] = []
  for (const entry of entries) {
    const path = join(entry.parentPath, entry.name)
    const inside = path.slice(folder.length + 1).replaceAll('\\', '/')
    if (!entry.isFile() || inside.startsWith('node_modules/')) continue
    const { mode } = await stat(path)
    files.push({ path: inside, content: await readFile(path), executable: (mode & 0o100) !== 0 })
  }
  return files
}

type Manifest = ManifestFields & { readonly name: string; readonly version: string }

async function readManifest(folder: string): Promise<Manifest> {
  return JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as Manifest
}

async function isFolder(path: string): Promise<boolean> {
  return await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  )
}

function toPackage(manifest: Manifest, tarball: Buffer): FixturePackage {
  const { name, version } = manifest
  return {
    ...{ name, version, manifest, tarball, files: [] },
    integrity: `sha512-${createHash('sha512').update(tarball).digest('base64')}`,
    shasum: createHash('sha1').update(tarball).digest('hex'),
  }
}
