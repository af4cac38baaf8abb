/** What the gateway gets packages from, built first: whom to trust for which name, the registries, and the way to them. */
import { dirname } from 'node:path'
import { isCatalogError, type CatalogNode, type KeyId, type Logger } from '@catalog-p2p/core'
import { createPrivateNames } from '../artifacts/visibility/privacy.ts'
import {
  gatewayKeyPath,
  openGatewaySignatures,
  type GatewaySignatures,
} from '../keys/gateway-signature.ts'
import { scopeOf } from '../http/route.ts'
import type { ParsedGatewayOptions } from '../options.ts'
import {
  startCertificateExchange,
  type CertificateExchange,
} from '../trust/certificate-exchange.ts'
import { startFirstUse, type FirstUse } from '../trust/first-use.ts'
import type { FirstUseFacts } from '../trust/origin-of-name.ts'
import { openTrust, type Trust } from '../trust/trust.ts'
import { createIdentify } from '../upstream/credentials.ts'
import { createDispatcher } from '../upstream/dispatcher.ts'
import type { Environment, NpmConfig } from '../upstream/npmrc.ts'
import { readOwnerKey } from '../upstream/owner-key.ts'
import { createRegistries, type Registries } from '../upstream/registries.ts'
import { createUpstream, type Upstream } from '../upstream/upstream.ts'

export interface Origins {
  readonly trust: Trust
  /** For versions of the network that have been verified; undefined without a trust file. */
  readonly gatewaySignatures: GatewaySignatures | undefined
  readonly registries: Registries
  readonly upstream: Upstream
}

export interface OriginsDependencies {
  readonly log: Logger
  readonly config: NpmConfig
  readonly env: Environment
}

/** @throws CatalogError INVALID_OPTIONS */
export async function openOrigins(
  { log, config, env }: OriginsDependencies,
  options: ParsedGatewayOptions,
): Promise<Origins> {
  const trust = openTrust({ log }, options)
  const registries = await openRegistries({ log, config, trust }, options)
  const { trustPath } = options
  const gatewaySignatures =
    trustPath === undefined
      ? undefined
      : await openGatewaySignatures({ log }, gatewayKeyPath(dirname(trustPath)))
  const upstream = openUpstream({ config, env }, options)
  return { trust, gatewaySignatures, registries, upstream }
}

export function openCertificates(
  { node, trust, log }: { node: CatalogNode; log: Logger; trust: Trust },
  options: ParsedGatewayOptions,
): CertificateExchange | undefined {
  const { book } = trust
  if (book === undefined) return undefined
  const { swarmRoot } = options
  const isPrivate = createPrivateNames(options)
  const roots = (): KeyId[] => [
    ...new Set([...trust.roots(), ...(swarmRoot === undefined ? [] : [swarmRoot])]),
  ]
  return startCertificateExchange({ node, book, roots, isPrivate, log })
}

/** What peers publish under names that nobody has bound; undefined without a trust file. */
export function openFirstUse(
  deps: { node: CatalogNode; log: Logger } & Pick<Origins, 'trust' | 'registries'>,
  options: ParsedGatewayOptions,
): FirstUse | undefined {
  const { registries, trust } = deps
  if (trust.book === undefined) return undefined
  const atRegistry = (name: string, error: unknown): AtRegistry =>
    knownAtRegistry(registries, name, error)
  const isPrivate = createPrivateNames(options)
  const { trustOnFirstUse: isWanted } = options
  return startFirstUse({ ...deps, isPrivate, atRegistry }, { isWanted })
}

type AtRegistry = FirstUseFacts['atRegistry']

/**
 * What the failure of asking for a package says. Registries answer 404 for what a stranger may not see, too: only of a package
 * without a scope, of a registry that is for everybody, it says that there is none.
 */
function knownAtRegistry(registries: Registries, name: string, error: unknown): AtRegistry {
  if (registries.main === null) {
    return isCatalogError(error, 'NOT_FOUND') ? 'no registry' : 'unknown'
  }
  const isMissing = isCatalogError(error, 'UPSTREAM_REJECTED') && error.details.status === 404
  const isOpen = scopeOf(name) === undefined && registries.homeOf(name).isPublic
  return isMissing && isOpen ? 'has it not' : 'unknown'
}

async function openRegistries(
  { trust, ...deps }: Pick<OriginsDependencies, 'log' | 'config'> & { trust: Trust },
  options: ParsedGatewayOptions,
): Promise<Registries> {
  const { ownerKeyPath, upstream, previousRegistry, port, addresses, publicRegistries } = options
  const key = ownerKeyPath === undefined ? undefined : await readOwnerKey(ownerKeyPath, deps.log)
  return createRegistries(
    { ...deps, trust, identify: createIdentify(key) },
    { upstream, previousRegistry, port, addresses, publicRegistries },
  )
}

function openUpstream(
  { config, env }: Pick<OriginsDependencies, 'config' | 'env'>,
  options: ParsedGatewayOptions,
): Upstream {
  const dispatcher = createDispatcher(config, env, {
    connectTimeoutMs: options.upstreamConnectTimeoutMs,
    maxSockets: options.upstreamSockets,
  })
  return createUpstream(
    { dispatcher },
    {
      timeoutMs: options.upstreamTimeoutMs,
      retries: options.upstreamRetries,
      userAgent: `catalog-p2p node/${process.version}`,
    },
  )
}
