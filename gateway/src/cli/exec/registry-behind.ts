/**
 * What a client's registry is in truth, when it is a gateway: that of a catalog that answers there (after `catalog use`, by hand,
 * or of a `catalog exec` around this one), or of none that runs. Never takes npm's public registry for what is not known.
 */
import { daemonAt, type DaemonClient } from '../../admin/daemon-client.ts'
import { shownUrl } from '../../http/shown-url.ts'
import { parseGatewayOptions } from '../../options.ts'
import { withoutUser } from '../../upstream/registries.ts'
import { FAMILIES } from './client-family.ts'
import { registryOf, type ExecPlace } from './client-registry.ts'
import { OTHER_PORTS } from './own-gateway.ts'
import type { Obstacle } from './registry-replacement.ts'

export type Behind =
  /** A registry; in place of a gateway that does not run the one that it had behind it. */
  | { readonly kind: 'registry'; readonly url: string }
  | { readonly kind: 'catalog'; readonly catalog: StandingCatalog }
  /** Of ours, by its port; what it would have behind it nobody knows. */
  | { readonly kind: 'gone'; readonly url: string }

/** It runs, and a client is configured with it. */
export interface StandingCatalog {
  readonly url: string
  readonly daemon: DaemonClient
  /** As it shows it to anybody; null: it asks none. */
  readonly upstream: string | null
}

export interface BehindWish {
  /** Of the gateway that this command would start. */
  readonly port: number
  /** The registry of a daemon that is told none, as `catalog use` found it. */
  readonly before: string | undefined
}

const STATUS_TIMEOUT_MS = 5_000
const LOOPBACK = ['127.0.0.1', 'localhost', '[::1]']

/** Asks who answers at each client's registry that is on this machine. */
export async function lookBehind(
  places: readonly ExecPlace[],
  wish: BehindWish,
): Promise<(url: string) => Behind> {
  const urls = places.flatMap((place) => FAMILIES.map((family) => registryOf(family, place).url))
  const origins = new Set(urls.flatMap((url) => localOrigin(url) ?? []))
  const asked = [...origins].map(async (origin) => [origin, await catalogAt(origin)] as const)
  const catalogs = new Map(await Promise.all(asked))
  return (url) => {
    const origin = localOrigin(url)
    const catalog = origin === undefined ? undefined : catalogs.get(origin)
    if (catalog !== undefined) return { kind: 'catalog', catalog }
    return origin === undefined ? { kind: 'registry', url } : behindNobody(url, wish)
  }
}

/** Nobody answers there, or what is no catalog. */
export function behindNobody(url: string, { port, before }: BehindWish): Behind {
  const { port: named } = new URL(url)
  if (named === '') return { kind: 'registry', url } // 80 or 443, which are never ours
  const at = Number(named)
  const isDaemons = at === port || at === parseGatewayOptions({}).port
  if (isDaemons && before !== undefined) return { kind: 'registry', url: before }
  return isDaemons || OTHER_PORTS.includes(at) ? { kind: 'gone', url } : { kind: 'registry', url }
}

/** What the user of this command wants the gateway to ask. */
export interface WantedUpstream {
  readonly upstream: string | undefined
  readonly peersOnly: boolean
}

/** Whether that catalog asks what is wanted; unless anything is said, it does. */
export function isBehind(catalog: StandingCatalog, wanted: WantedUpstream): boolean {
  if (wanted.peersOnly || catalog.upstream === null) return catalog.upstream === null
  if (wanted.upstream === undefined) return true
  return withoutUser(shownUrl(wanted.upstream)) === withoutUser(catalog.upstream)
}

/** Whether another gateway may stand in for that one, because its user says what to ask. */
export function isReplaced(behind: Behind, wanted: WantedUpstream): boolean {
  const { upstream, peersOnly } = wanted
  return upstream !== undefined || (peersOnly && behind.kind === 'catalog')
}

/** Why a client that is configured with such a gateway is not pointed at another one. */
export function gatewayObstacle(behind: Exclude<Behind, { kind: 'registry' }>): Obstacle {
  if (behind.kind === 'catalog') {
    return { reason: `its registry is ${behind.catalog.url}, a catalog that runs already` }
  }
  return {
    reason: `its registry is ${shownUrl(behind.url)}, where no catalog runs, and which registry would be behind it is not known`,
    next: 'start it ("catalog start"), or name the registry with --upstream',
  }
}

async function catalogAt(origin: string): Promise<StandingCatalog | undefined> {
  const daemon = await daemonAt(origin)
  if (daemon === undefined) return undefined
  const signal = AbortSignal.timeout(STATUS_TIMEOUT_MS)
  const { gateway } = await daemon.status({ signal })
  return { url: origin, daemon, upstream: gateway.upstream }
}

function localOrigin(text: string): string | undefined {
  if (!/^https?:/.test(text) || !URL.canParse(text)) return undefined
  const { hostname, origin } = new URL(text)
  return LOOPBACK.includes(hostname) ? `${origin}/` : undefined
}
