/**
 * `catalog use` must not put another registry in a company's place: names that only the company's has would then be asked for
 * elsewhere, where anybody may have taken them. So what a client's files name now is compared with what the gateway has, or
 * will have, behind it. A client at the public registry is let through: its user chose what the daemon asks.
 */
import { CatalogError } from '@catalog-p2p/core'
import { DEFAULT_REGISTRY } from '../../upstream/default-registry.ts'
import { redactUrl } from '../../http/redact-url.ts'
import type { ClientName, ClientContext } from '../../clients/client.ts'
import { isGateway, isPublicRegistry, sameRegistry } from '../../clients/same-registry.ts'
import { expandSetting, registryOfNpmFiles, registryUnderUsers } from './upstream-before-use.ts'
import type { ReplacedRegistry } from './use.ts'

export interface UsedGateway {
  readonly url: string
  /** null: it asks none. undefined: none is named anywhere, so it will take the client's own. */
  readonly upstream: string | null | undefined
  /** Whether it runs already. */
  readonly isRunning: boolean
}

export interface LostRegistry {
  readonly registry: string
  readonly where: string
}

export interface Replacement {
  /** What will be behind the gateway. */
  readonly upstream: string | null
  /** A registry that the client has now, and would miss. */
  readonly lost: LostRegistry | undefined
}

export function replacementOf(
  client: ClientName,
  replaced: readonly ReplacedRegistry[],
  { context, gateway }: { context: ClientContext; gateway: UsedGateway },
): Replacement {
  const named = [...replaced, ...underneath(client, replaced, context)].flatMap(
    ({ path, registry }) => {
      const url = registry === undefined ? undefined : expandSetting(registry, context)
      const isMissed = url !== undefined && !isPublicRegistry(url) && !isGateway(url, gateway.url)
      return isMissed ? [{ where: path, registry: url }] : []
    },
  )
  const { upstream = named[0]?.registry ?? DEFAULT_REGISTRY } = gateway
  // With none at all nothing comes from a wrong one.
  const lost = upstream === null ? undefined : named.find((one) => !isKept(one, upstream))
  return { upstream, lost }
}

function isKept({ registry }: LostRegistry, upstream: string): boolean {
  return sameRegistry(registry, upstream)
}

/** Files that are not written, and that the client goes by as long as its own name nothing. */
function underneath(
  client: ClientName,
  [first]: readonly ReplacedRegistry[],
  context: ClientContext,
): ReplacedRegistry[] {
  if (first === undefined || first.registry !== undefined || client === 'yarn') return []
  const registry = client === 'bun' ? registryOfNpmFiles(context) : registryUnderUsers(context)
  return [{ path: "npm's configuration", registry }]
}

/** @throws CatalogError INVALID_OPTIONS, always */
export function refuseLoss(
  client: ClientName,
  { registry, where }: LostRegistry,
  { url, upstream, isRunning }: UsedGateway,
): never {
  const who = isRunning
    ? `the daemon at ${url} asks`
    : 'a daemon started with the present settings would ask'
  const first = isRunning ? 'stop the daemon and start it with that registry' : 'first start it so'
  const shown = redactUrl(registry)
  const address = shown.includes('***') ? '<its URL>' : shown
  throw new CatalogError(
    'INVALID_OPTIONS',
    `not changed: ${client} gets its packages from ${shown} (${where}), and ${who} ` +
      `${redactUrl(upstream ?? '')}: names that only the one has would come from the other`,
    {
      hint:
        `${first}: catalog start --upstream ${address} (or "upstream" in the config ` +
        'file, or that registry in ~/.npmrc). To change registries on purpose: --force',
    },
  )
}
