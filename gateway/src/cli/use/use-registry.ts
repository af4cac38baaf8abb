/** The usual way of `catalog use`: the client's files name the gateway, if that takes no registry from it (registry-conflict.ts). */
import { clientFiles } from '../../clients/client-files.ts'
import type { ClientName } from '../../clients/client.ts'
import {
  refuseLoss,
  replacementOf,
  type UsedGateway,
  type Replacement,
} from './registry-conflict.ts'
import { upstreamOfNextDaemon } from './upstream-before-use.ts'
import { refuseBothWays } from './use-pnpmfile.ts'
import { useFiles, type FileReport, type UseDependencies } from './use.ts'

export interface Used {
  readonly files: readonly FileReport[]
  /** undefined: the client stays with its registry. */
  readonly replacement?: Replacement
}

export interface UseRegistryOptions {
  readonly gateway: UsedGateway
  /** Whatever registry it takes. */
  readonly force: boolean
}

/** @throws CatalogError INVALID_OPTIONS, and nothing has been changed then */
export async function useRegistry(
  deps: UseDependencies,
  client: ClientName,
  { gateway, force }: UseRegistryOptions,
): Promise<Used> {
  const { context } = deps
  const { url } = gateway
  let replacement: Replacement | undefined
  const files = await useFiles(deps, client, {
    ...{ url, files: clientFiles(client, context) },
    check(state) {
      if (client === 'pnpm') refuseBothWays(deps, state, false)
    },
    accept(replaced, state) {
      const { upstream = upstreamOfNextDaemon(state, context, url) } = gateway
      const target = { ...gateway, upstream }
      replacement = replacementOf(client, replaced, { context, gateway: target })
      if (replacement.lost !== undefined && !force) refuseLoss(client, replacement.lost, target)
    },
  })
  return { files, ...(replacement !== undefined && { replacement }) }
}
