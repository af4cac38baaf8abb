/**
 * `catalog use pnpm --pnpmfile`, for people who can't change pnpm's registry: the pnpmfile of plugins/pnpm becomes pnpm's
 * global one. It is copied beside our own settings, because pnpm fails in every project when its global pnpmfile is gone, as
 * it would be after an update or removal of the package. docs: plugins/pnpm/README.md
 */
import { dirname, join } from 'node:path'
import { CatalogError } from '@catalog-p2p/core'
import { clientFiles } from '../../clients/client-files.ts'
import { pnpmConfigFolder } from '../../clients/pnpm/pnpm-files.ts'
import type { ClientFile } from '../../clients/client.ts'
import { copyOfPnpmfile } from '../../clients/pnpm/pnpmfile.ts'
import { pnpmfileFormats, wholeFileFormat } from '../../clients/pnpm/pnpmfile-format.ts'
import type { UseDependencies } from './use.ts'
import type { UseState } from './use-state.ts'

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
  const content = await copyOfPnpmfile(source, new URL(url))
  const { ini, yaml, foreign } = pnpmfileFormats(copy)
  const folder = pnpmConfigFolder(deps.context)
  const npmrc = clientFiles('npm', deps.context).map(({ path }) => path)
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
