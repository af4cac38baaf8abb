/**
 * The text of the pnpmfile of plugins/pnpm, which `catalog use pnpm --pnpmfile` copies: making a copy, and telling one from
 * other pnpmfiles. Writes nothing.
 */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { CatalogError } from '@catalog-p2p/core'
import { PACKAGE_FOLDER } from '../../package-folder.ts'
import { readOwnedFile } from '../owned-file.ts'

export const PNPMFILE_PACKAGE = 'pnpm-catalog-p2p'
/** Where the file itself looks for the daemon. */
const USUAL_PORT = '4874'
const STRICT = "'use strict'\n"
const HEAD = '// A copy, made by "catalog use pnpm --pnpmfile"; "catalog unuse pnpm" removes it.\n'

/**
 * A copy of the pnpmfile at `source` (the one that belongs to this program, if undefined) that asks the gateway at `url`.
 * @throws CatalogError INVALID_OPTIONS
 */
export async function copyOfPnpmfile(source: string | undefined, url: URL): Promise<string> {
  const { port, hostname } = url
  const path = source ?? ownPnpmfile()
  const text = (await readOwnedFile(path))?.toString('utf8').replaceAll('\r\n', '\n')
  if (text?.startsWith(STRICT) !== true || !text.includes('CATALOG_PORT')) {
    throw new CatalogError('INVALID_OPTIONS', `${path}: not the pnpmfile of ${PNPMFILE_PACKAGE}`, {
      hint: `npm install --global ${PNPMFILE_PACKAGE}, and name its pnpmfile.cjs: --pnpmfile <path>`,
    })
  }
  if (!['127.0.0.1', 'localhost'].includes(hostname)) {
    throw new CatalogError('INVALID_OPTIONS', `the pnpmfile asks 127.0.0.1, not ${hostname}`)
  }
  const isUsual = port === USUAL_PORT
  const set = isUsual ? '' : `process.env.CATALOG_PORT ||= '${port}'\n`
  return HEAD + STRICT + set + text.slice(STRICT.length)
}

const PORT_LINE = /^process\.env\.CATALOG_PORT \|\|= '(\d+)'\n/m

/** Whether a text is the pnpmfile, or a copy of it, of any version. */
export function isPnpmfileText(text: string): boolean {
  return text.includes('CATALOG_PORT') && text.includes('Catalog P2P')
}

/** Where such a file asks for the daemon, if no variable says otherwise. */
export function pnpmfilePort(text: string): string {
  return PORT_LINE.exec(text)?.[1] ?? USUAL_PORT
}

/** Whether a text is of the version that belongs to this program; undefined: that one is not installed. */
export async function isCurrentPnpmfile(text: string): Promise<boolean | undefined> {
  const plain = (one: string): string => one.replaceAll('\r\n', '\n')
  let own: string | undefined
  try {
    own = (await readOwnedFile(ownPnpmfile()))?.toString('utf8')
  } catch {
    return undefined // not there, or not ours to read
  }
  if (own === undefined) return undefined
  return plain(text).replace(HEAD, '').replace(PORT_LINE, '') === plain(own)
}

/** Installed beside this package, or in the repository that this runs from. */
function ownPnpmfile(): string {
  const inRepository = new URL('../plugins/pnpm/pnpmfile.cjs', PACKAGE_FOLDER)
  if (existsSync(inRepository)) return fileURLToPath(inRepository)
  try {
    return createRequire(import.meta.url).resolve(PNPMFILE_PACKAGE)
  } catch (error) {
    throw new CatalogError(
      'INVALID_OPTIONS',
      `${PNPMFILE_PACKAGE} is not installed beside this catalog`,
      {
        hint: `npm install --global ${PNPMFILE_PACKAGE}, or name its pnpmfile.cjs: --pnpmfile <path>`,
        cause: error,
      },
    )
  }
}
