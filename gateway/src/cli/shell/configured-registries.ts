/** The registries that the daemon would have, for commands that work without one. Asks none of them. */
import type { Config } from '../../config/resolve.ts'
import { parseGatewayOptions } from '../../options.ts'
import type { Trust } from '../../trust/trust.ts'
import { readNpmConfig, type NpmConfig } from '../../upstream/npmrc.ts'
import { createRegistries, type Registries } from '../../upstream/registries.ts'
import { upstreamBeforeUse } from '../use/upstream-before-use.ts'
import { useDependencies, type Invocation } from './invocation.ts'

export async function configuredRegistries(
  { terminal }: Invocation,
  config: Config,
  trust?: Trust,
): Promise<{ readonly registries: Registries; readonly npm: NpmConfig }> {
  const npm = readNpmConfig({ ...terminal, execPath: process.execPath })
  const { upstream, port, addresses } = parseGatewayOptions(config.gateway)
  const previousRegistry = await upstreamBeforeUse(useDependencies(terminal))
  const quiet = { debug: noop, info: noop, warn: noop, error: noop }
  const registries = createRegistries(
    { config: npm, log: quiet, ...(trust !== undefined && { trust }) },
    { upstream, previousRegistry, port, addresses },
  )
  return { registries, npm }
}

function noop(): void {
  // Warnings about registries belong in the daemon's log.
}
