/**
 * Our packages as strangers get them: built, packed with npm, and offered by a loopback registry beside everything they
 * depend on (made from what is installed here, so that the public registry is not needed).
 */
import { createHash } from 'node:crypto'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { clientCommand, findClient } from './clients.ts'
import { execute, isolatedEnvironment } from './client.ts'
import type { FixturePackage, ManifestFields } from './fixture-packages.ts'
import { repositoryRoot } from './source-tree.ts'
import { packTarball, type TarFile } from './tarball.ts'

const BUILD_TIMEOUT_MS = 120_000
const OURS = ['core', 'gateway']

/** Everything that installing our packages takes. `home` is an empty folder to work in. */
export async function publishedPackages(home: string): Promise<readonly FixturePackage[]> {
  await run([process.execPath, join(repositoryRoot, 'bootstrap.mjs'), 'build'], home)
  const ours = await Promise.all(OURS.map((folder) => packOurs(folder, home)))
  return [...ours, ...(await dependencies())]
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

async function packOurs(folder: string, home: string): Promise<FixturePackage> {
  const manifest = await readManifest(join(repositoryRoot, folder))
  const npm = clientCommand(findClient('npm-11'))
  await run([...npm, 'pack', `./${folder}`, '--pack-destination', home, '--ignore-scripts'], home)
  const file = `${manifest.name.replace('@', '').replace('/', '-')}-${manifest.version}.tgz`
  return toPackage(manifest, await readFile(join(home, file)))
}

async function dependencies(): Promise<FixturePackage[]> {
  const lock = JSON.parse(await readFile(join(repositoryRoot, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dev?: boolean; link?: boolean }>
  }
  const found = new Map<string, FixturePackage>()
  for (const [path, entry] of Object.entries(lock.packages)) {
    if (!path.includes('node_modules/') || entry.dev === true || entry.link === true) continue
    const folder = join(repositoryRoot, path)
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
