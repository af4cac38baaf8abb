/**
 * `catalog use pnpm --pnpmfile`, for people who can't change pnpm's registry: the pnpmfile of plugins/pnpm becomes pnpm's
 * global one. It is copied beside our own settings, because pnpm fails in every project when its global pnpmfile is gone, as
 * it would be after an update or removal of the package. docs: plugins/pnpm/README.md
 */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CatalogError } from '@catalog-p2p/core'
import { clientFiles, pnpmConfigFolder, type ClientFile } from './client-files.ts'
import { readOwnedFile } from './owned-file.ts'
import { pnpmfileFormats, wholeFileFormat } from './pnpmfile-format.ts'
import type { UseDependencies } from './use.ts'
import type { UseState } from './use-state.ts'

const PACKAGE = 'pnpm-catalog-p2p'
/** Where the file itself looks for the daemon. */
const USUAL_PORT = '4874'
const STRICT = "'use strict'\n"
const HEAD = '// A copy, made by "catalog use pnpm --pnpmfile"; "catalog unuse pnpm" removes it.\n'

/** In the user's config folder, beside the state. */
export function pnpmfileCopy({ statePath }: UseDependencies): string {
  return join(dirname(statePath), 'pnpmfile.cjs')
}

/** In the order in which they are to be written. @throws CatalogError INVALID_OPTIONS */
export async function pnpmfileFiles(
  deps: UseDependencies,
  { url, source }: { url: string; source: string | undefined },
): Promise<readonly ClientFile[]> {
  const copy = pnpmfileCopy(deps)
  const content = await contentFor(source ?? ownPnpmfile(), new URL(url))
  const { ini, yaml, foreign } = pnpmfileFormats(copy)
  const folder = pnpmConfigFolder(deps.place)
  const npmrc = clientFiles('npm', deps.place).map(({ path }) => path)
  return [
    ...npmrc.map((path) => ({ path, format: foreign, write: 'when-set' as const })),
    { path: copy, format: wholeFileFormat(content), write: 'always' },
    { path: join(folder, 'rc'), format: ini, write: 'always', reads: 'pnpm 10' },
    {
      ...{ path: join(folder, 'config.yaml'), format: yaml, write: 'always' },
      reads: 'pnpm 11 and newer',
    },
  ]
}

/**
 * One way at a time: with the gateway as its registry pnpm has no use for the file, and their traces in one config file
 * could not be told apart.
 * @throws CatalogError INVALID_OPTIONS
 */
export function refuseBothWays(deps: UseDependencies, state: UseState, wantsFile: boolean): void {
  const isUsed = [...state.values()].some(({ clients }) => clients.includes('pnpm'))
  const hasFile = state.has(pnpmfileCopy(deps))
  if (!isUsed || hasFile === wantsFile) return
  const way = hasFile ? 'by the global pnpmfile' : 'as its registry'
  throw new CatalogError('INVALID_OPTIONS', `pnpm uses this gateway already, ${way}`, {
    hint: 'undo that first: catalog unuse pnpm',
  })
}

async function contentFor(source: string, { port, hostname }: URL): Promise<string> {
  const text = (await readOwnedFile(source))?.toString('utf8').replaceAll('\r\n', '\n')
  if (text?.startsWith(STRICT) !== true || !text.includes('CATALOG_PORT')) {
    throw new CatalogError('INVALID_OPTIONS', `${source}: not the pnpmfile of ${PACKAGE}`, {
      hint: `npm install --global ${PACKAGE}, and name its pnpmfile.cjs: --pnpmfile <path>`,
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

/** Whether it is of the version that belongs to this program; undefined: that one is not installed. */
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
  const inRepository = new URL('../../../../plugins/pnpm/pnpmfile.cjs', import.meta.url)
  if (existsSync(inRepository)) return fileURLToPath(inRepository)
  try {
    return createRequire(import.meta.url).resolve(PACKAGE)
  } catch (error) {
    throw new CatalogError('INVALID_OPTIONS', `${PACKAGE} is not installed beside this catalog`, {
      hint: `npm install --global ${PACKAGE}, or name its pnpmfile.cjs: --pnpmfile <path>`,
      cause: error,
    })
  }
}
