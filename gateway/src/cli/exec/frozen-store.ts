/**
 * `--frozen-trust`: the store folder may have been written by an attacker, as a CI cache that many jobs can save. Nothing in it is
 * opened but files of artifacts, which count by their hash; everything that a catalog keeps beside them starts anew in a folder of
 * this run inside of it, that goes away with it. So bindings, records, metadata, bans, daemon.json and whatever else is there have
 * no effect. Never reads or removes anything else in the store, except for such folders of runs that were killed.
 */
import { lstat, mkdtemp, readdir, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, isAbsolute, join, relative, sep } from 'node:path'
import { CatalogError, makeFolder } from '@catalog-p2p/core'
import { defaultConfigFolder } from '../../config/config-file.ts'
import type { Config } from '../../config/resolve.ts'

export interface FrozenStore {
  /** Of a catalog that believes nothing in the store. */
  readonly config: Config
  /** Never throws. */
  remove(): Promise<void>
}

const PREFIX = 'frozen-trust-'
/** Left behind by a run that was killed. */
const STALE_MS = 24 * 3_600_000

/** @throws CatalogError INVALID_OPTIONS, STORE_FAILED */
export async function openFrozenStore(config: Config): Promise<FrozenStore> {
  const { storePath } = config
  await requireTrueFolder(storePath)
  await refuseTrustedInside(config)
  const folder = await mkdtemp(join(storePath, PREFIX)).catch(() =>
    // What may not be written can still be read.
    mkdtemp(join(tmpdir(), `catalog-${PREFIX}`)),
  )
  const store = { ...config.node.store, path: folder, artifactsOf: storePath }
  const options = { recursive: true, force: true, maxRetries: 5, retryDelay: 100 } as const
  return {
    config: { ...config, storePath: folder, node: { ...config.node, store } },
    async remove() {
      await rm(folder, options).catch(() => undefined)
      for (const stale of await staleFolders(storePath)) {
        await rm(stale, options).catch(() => undefined)
      }
    },
  }
}

/** Not what a link leads to: a restored cache may hold one to anywhere. */
async function requireTrueFolder(path: string): Promise<void> {
  const stats = await lstat(path).catch(() => undefined)
  if (stats === undefined) return makeFolder(path)
  if (stats.isDirectory()) return
  const what = stats.isSymbolicLink() ? 'a link' : 'no folder'
  throw new CatalogError('STORE_FAILED', `the store ${path} is ${what}`, {
    hint: 'with --frozen-trust, name the folder itself with --store',
  })
}

/** What is to be believed must not lie where anybody may write. */
async function refuseTrustedInside({ storePath, gateway, file }: Config): Promise<void> {
  const root = await realpath(storePath)
  const { keyringPath, trustPath, ownerKeyPath, malwareList, npmrcPath } = gateway
  const believed = {
    'the configuration': file,
    'the folder for configuration and keys': defaultConfigFolder(),
    'the keyring': keyringPath,
    'the trust store': trustPath,
    'the key for owners': ownerKeyPath,
    'the list of malware': malwareList,
    'the .npmrc': npmrcPath,
  }
  for (const [what, path] of Object.entries(believed)) {
    if (path === undefined || !isAbsolute(path) || !isInside(root, await realPlace(path))) continue
    throw new CatalogError('INVALID_OPTIONS', `${what} (${path}) lies in the store`, {
      hint: '--frozen-trust believes nothing that is there: keep it elsewhere',
    })
  }
}

/** Of what need not exist. */
async function realPlace(path: string): Promise<string> {
  const real = await realpath(path).catch(() => undefined)
  if (real !== undefined || path === dirname(path)) return real ?? path
  return join(await realPlace(dirname(path)), relative(dirname(path), path))
}

function isInside(root: string, path: string): boolean {
  const way = relative(root, path)
  return way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way)
}

async function staleFolders(storePath: string): Promise<string[]> {
  const names = await readdir(storePath).catch((): string[] => [])
  const paths = names.filter((name) => name.startsWith(PREFIX)).map((name) => join(storePath, name))
  const looked = await Promise.all(
    paths.map(async (path) => ({ path, stats: await lstat(path).catch(() => undefined) })),
  )
  return looked.flatMap(({ path, stats }) =>
    stats !== undefined && Date.now() - stats.mtimeMs > STALE_MS ? [path] : [],
  )
}
