/**
 * The tarball to publish: a file as it is, or a folder as this user's npm packs it, so that the same files go in as with `npm publish`.
 * None of the package's own scripts run.
 */
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import spawn from 'cross-spawn'
import { CatalogError, errnoOf } from '@catalog-p2p/core'

/** What the daemon takes by default, as it stands in JSON. */
const MAX_BYTES = 190 * 1024 * 1024
const MAX_SAID_CHARS = 2_000

interface Run {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly signal: AbortSignal
}

/** @throws CatalogError INVALID_OPTIONS when there is no package, or npm can't pack it */
export async function readPackage(path: string, run: Run): Promise<Buffer> {
  const found = await stat(path).catch(() => undefined)
  if (found === undefined) throw refused(`${path} is not there`)
  if (!found.isDirectory()) return readTarball(path)
  const folder = await mkdtemp(join(tmpdir(), 'catalog-pack-'))
  try {
    await pack(path, folder, run)
    const [file, ...others] = (await readdir(folder)).filter((each) => each.endsWith('.tgz'))
    if (file === undefined || others.length > 0) throw refused(`npm made no archive of ${path}`)
    return await readTarball(join(folder, file))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function readTarball(path: string): Promise<Buffer> {
  const { size } = await stat(path)
  if (size > MAX_BYTES) throw refused(`${path} has ${size} bytes, ${MAX_BYTES} are possible`)
  return readFile(path)
}

async function pack(path: string, folder: string, { env, signal }: Run): Promise<void> {
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder]
  let said = ''
  try {
    // On Windows npm is a .cmd file, which cross-spawn finds.
    const child = spawn('npm', args, {
      cwd: path,
      signal,
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...env, npm_config_update_notifier: 'false' },
    })
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-MAX_SAID_CHARS)
    })
    const [code] = (await once(child, 'close')) as [number | null]
    if (code === 0) return
  } catch (error) {
    signal.throwIfAborted()
    const isMissing = errnoOf(error) === 'ENOENT'
    throw new CatalogError(
      'INVALID_OPTIONS',
      isMissing ? 'there is no npm here to pack a folder with' : 'npm cannot be run',
      { cause: error, hint: 'pack it yourself, and name the .tgz: catalog publish FILE' },
    )
  }
  throw refused(`npm pack failed: ${said.trim()}`)
}

function refused(why: string): CatalogError {
  return new CatalogError('INVALID_OPTIONS', `nothing was published: ${why}`)
}
