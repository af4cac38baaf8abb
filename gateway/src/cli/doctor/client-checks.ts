/** Where each package manager gets its packages, by its own configuration: from this gateway, or past it. */
import { isCatalogError } from '@catalog-p2p/core'
import { readOwnedFile } from '../clients/owned-file.ts'
import {
  CLIENTS,
  clientFiles,
  overridingVariables,
  type ClientName,
  type ClientPlace,
} from '../clients/client-files.ts'
import { proxyInTheWay } from '../clients/proxy-in-the-way.ts'
import type { UseDependencies } from '../clients/use.ts'
import { ok, reasonOf, warn, type Finding } from './check.ts'
import { checkPnpmfile } from './pnpmfile-check.ts'

const NO_FILE = 'put its settings into a file that can be read at any time'

export async function checkClients(deps: UseDependencies, gatewayUrl: string): Promise<Finding[]> {
  return Promise.all(
    CLIENTS.map(async (client) => {
      const byFile = client === 'pnpm' ? await checkPnpmfile(deps, gatewayUrl) : undefined
      return byFile ?? checkClient(client, deps.place, gatewayUrl)
    }),
  )
}

async function checkClient(
  client: ClientName,
  place: ClientPlace,
  gatewayUrl: string,
): Promise<Finding> {
  const name = `client ${client}`
  const isOurs = (registry: string): boolean => sameRegistry(registry, gatewayUrl)
  const variable = overridingVariables(client, place.env).find(({ value }) => !isOurs(value))
  if (variable !== undefined) {
    return warn(name, `${variable.name} points elsewhere`, `unset ${variable.name}`)
  }
  const here: string[] = []
  const elsewhere: string[] = []
  for (const file of clientFiles(client, place)) {
    try {
      const bytes = await readOwnedFile(file.path)
      const registry = bytes && file.format.registryOf(bytes.toString('latin1'))
      if (registry === undefined) continue
      if (isOurs(registry)) here.push(file.path)
      else elsewhere.push(file.path)
    } catch (error) {
      if (isCatalogError(error, 'INVALID_OPTIONS')) return warn(name, error.message, NO_FILE)
      return warn(name, `${file.path} can't be read (${reasonOf(error)})`, 'have a look at it')
    }
  }
  if (elsewhere.length > 0 && here.length > 0) {
    const text = `${elsewhere.join(', ')} points elsewhere`
    return warn(name, text, `point all at this gateway: catalog use ${client}`)
  }
  const proxy = here.length > 0 ? proxyInTheWay(client, place, gatewayUrl) : undefined
  if (proxy !== undefined) {
    return warn(name, `asks a proxy for this gateway (${proxy.by})`, proxy.next)
  }
  if (here.length > 0) return ok(name, `uses this gateway (${here.join(', ')})`)
  // Not a defect: nobody has to use it for everything.
  return ok(name, `does not use this gateway; "catalog use ${client}" changes that`)
}

/** localhost, 127.0.0.1 and [::1] are one machine, but only the same port is the same gateway. */
function sameRegistry(a: string, b: string): boolean {
  if (!URL.canParse(a) || !URL.canParse(b)) return false
  const [left, right] = [new URL(a), new URL(b)]
  const isLocal = (url: URL): boolean => ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname)
  return left.port === right.port && (left.host === right.host || (isLocal(left) && isLocal(right)))
}
