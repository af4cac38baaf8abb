/** Per package manager: whether its own configuration names this gateway. Changes nothing. */
import { isCatalogError } from '@catalog-p2p/core'
import { readOwnedFile } from '../../clients/owned-file.ts'
import { CLIENTS, type ClientName, type ClientContext } from '../../clients/client.ts'
import { clientFiles, overridingVariables } from '../../clients/client-files.ts'
import { proxyInTheWay } from '../../clients/proxy-in-the-way.ts'
import type { UseDependencies } from '../use/use.ts'
import { isGateway } from '../../clients/same-registry.ts'
import { ok, reasonOf, warn, type Finding } from './check.ts'
import { checkFirewalls } from './firewall-check.ts'
import { checkPnpmfile } from './pnpmfile-check.ts'

const NO_FILE = 'put its settings into a file that can be read at any time'

export async function checkClients(deps: UseDependencies, gatewayUrl: string): Promise<Finding[]> {
  const { context } = deps
  const clients = await Promise.all(
    CLIENTS.map(async (client) => {
      const registries = await registriesOf(client, context, gatewayUrl)
      const byFile = client === 'pnpm' ? await checkPnpmfile(deps, gatewayUrl) : undefined
      const finding = byFile ?? checkClient(client, { context, gatewayUrl, registries })
      return { finding, isUsed: registries.here.length > 0 }
    }),
  )
  const findings = clients.map(({ finding }) => finding)
  const isUsed = clients.some((client) => client.isUsed)
  return [...findings, ...(await checkFirewalls(context, { gatewayUrl, isUsed }))]
}

interface Registries {
  /** Files that name this gateway. */
  readonly here: readonly string[]
  readonly elsewhere: readonly string[]
  /** One that can't be read. */
  readonly failed?: { readonly path: string; readonly error: unknown }
}

async function registriesOf(
  client: ClientName,
  context: ClientContext,
  gatewayUrl: string,
): Promise<Registries> {
  const here: string[] = []
  const elsewhere: string[] = []
  for (const file of clientFiles(client, context)) {
    try {
      const bytes = await readOwnedFile(file.path)
      const registry = bytes && file.format.registryOf(bytes.toString('latin1'))
      if (registry === undefined) continue
      if (isGateway(registry, gatewayUrl)) here.push(file.path)
      else elsewhere.push(file.path)
    } catch (error) {
      return { here, elsewhere, failed: { path: file.path, error } }
    }
  }
  return { here, elsewhere }
}

function checkClient(
  client: ClientName,
  seen: {
    readonly context: ClientContext
    readonly gatewayUrl: string
    readonly registries: Registries
  },
): Finding {
  const { context, gatewayUrl } = seen
  const name = `client ${client}`
  const isOurs = (registry: string): boolean => isGateway(registry, gatewayUrl)
  const variable = overridingVariables(client, context.env).find(({ value }) => !isOurs(value))
  if (variable !== undefined) {
    return warn(name, `${variable.name} points elsewhere`, `unset ${variable.name}`)
  }
  const { here, elsewhere, failed } = seen.registries
  if (failed !== undefined) {
    const { path, error } = failed
    if (isCatalogError(error, 'INVALID_OPTIONS')) return warn(name, error.message, NO_FILE)
    return warn(name, `${path} can't be read (${reasonOf(error)})`, 'have a look at it')
  }
  if (elsewhere.length > 0 && here.length > 0) {
    const text = `${elsewhere.join(', ')} points elsewhere`
    return warn(name, text, `point all at this gateway: catalog use ${client}`)
  }
  const proxy = here.length > 0 ? proxyInTheWay(client, context, gatewayUrl) : undefined
  if (proxy !== undefined) {
    return warn(name, `asks a proxy for this gateway (${proxy.by})`, proxy.next)
  }
  if (here.length > 0) return ok(name, `uses this gateway (${here.join(', ')})`)
  // Not a defect: a user may want the gateway for some clients only.
  return ok(name, `does not use this gateway; "catalog use ${client}" changes that`)
}
