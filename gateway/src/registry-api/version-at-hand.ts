/**
 * GET /NAME/VERSION and /NAME/TAG while no registry can be asked: from metadata at hand, and from peers when that lacks the version.
 * Never beside a registry that answers.
 */
import { isCatalogError } from '@catalog-p2p/core'
import { clientCredentials } from '../upstream/client-credentials.ts'
import type { Exchange } from '../http/exchange.ts'
import { isVersion } from '../http/route.ts'
import type { Packuments } from '../packuments/packument-service.ts'
import type { VersionIndex } from '../packuments/version-index.ts'
import type { Registries, Registry } from '../upstream/registries.ts'
import { documentFor, type VersionCall } from './version-document.ts'

export interface VersionAtHandDependencies {
  readonly registries: Registries
  readonly packuments: Packuments
  readonly index: VersionIndex
}

/** False, with nothing sent, where it is not known. */
export async function sendVersionAtHand(
  { registries, packuments, index }: VersionAtHandDependencies,
  exchange: Exchange,
  { call, registry }: { call: VersionCall; registry: Registry },
): Promise<boolean> {
  const { req, res, signal, upstream } = exchange
  const { name, spec } = call
  const client = clientCredentials(registries, exchange, name)
  const { owners } = packuments.viewer(name, client)
  const of = registries.forName(name)?.url
  const isHere = async (): Promise<boolean> =>
    (await index.find({ registry: of, name, version: spec, file: undefined, owners })) !== undefined
  const wanted = isVersion(spec) ? { what: spec, isHere } : undefined
  const asked = { name, kind: 'abbreviated', client, upstream, signal } as const
  try {
    await packuments.get({ ...asked, ...(wanted && { wanted }) })
  } catch (error) {
    if (!isCatalogError(error)) throw error
    return false // why the registry itself was of no use is the better answer
  }
  const found = await packuments.manifest({ registry: of, name, spec, owners })
  if (found === undefined) return false
  const { text, owner, isPeers } = found
  const how = { call, registry, isPrivate: owner !== '' }
  const document = documentFor(exchange, Buffer.from(text), how)
  if (document === undefined) return false
  res.statusCode = 200
  res.setHeader('content-type', 'application/json')
  res.setHeader('cache-control', 'no-cache')
  res.setHeader('vary', 'Accept, User-Agent, Host')
  if (isPeers) res.setHeader('x-catalog-metadata', 'peer')
  res.setHeader('content-length', document.byteLength)
  res.end(req.method === 'HEAD' ? undefined : document)
  return true
}
