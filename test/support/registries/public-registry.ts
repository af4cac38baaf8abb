/**
 * Registries on loopback stand for npm's public one, whose packages are for everybody: this is the variable that says so to a
 * daemon or to `catalog exec`. A test of private packages gives a value of its own.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

const FILES = ['.npmrc', '.yarnrc.yml', 'bunfig.toml']
const LOOPBACK = /https?:\/\/127\.0\.0\.1:\d+(?:\/[^\s'"]*)?/g

/** All that `--upstream` among the arguments, or a client's settings in one of the folders, names. */
export async function publicRegistry(
  args: readonly string[],
  folders: readonly string[],
): Promise<Record<string, string>> {
  const files = folders.flatMap((folder) => FILES.map((file) => join(folder, file)))
  const texts = await Promise.all(files.map((file) => readFile(file, 'utf8').catch(() => '')))
  const upstream = args[args.indexOf('--upstream') + 1] ?? ''
  const urls = [upstream, ...texts].flatMap((text) => text.match(LOOPBACK) ?? [])
  return urls.length === 0 ? {} : { CATALOG_PUBLIC_REGISTRY: [...new Set(urls)].join(',') }
}
