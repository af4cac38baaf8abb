/** A new version for the network: signed with a key of this machine that the trust file names, and what its user is told. */
import { z } from 'zod'
import { CatalogError, isCatalogError } from '@catalog-p2p/core'
import { parseBody } from '../http/json-body.ts'
import type { Network } from './network.ts'
import { newVersionOf, parseDocument, type PackageDocument } from './publish-document.ts'
import { MAX_REPLICA_BYTES } from './replica-messages.ts'
import type { Spread } from './replication.ts'

export interface Published {
  readonly assetId: string
  readonly publisher: string
  /** Machines besides this one that keep it. */
  readonly kept: number
  /** In words. */
  readonly notice: string
}

/** What `npm publish` sends, given by this daemon's owner. @throws CatalogError INVALID_OPTIONS for a package of a registry, and as `publishVersion` */
export async function publishForOwner(
  network: Network,
  body: unknown,
  signal: AbortSignal,
): Promise<Published> {
  const { name } = parseBody(z.looseObject({ name: z.string() }), body)
  if (network.originOf(name).kind === 'registry') {
    throw new CatalogError('INVALID_OPTIONS', `${name} is no package of the network`, {
      hint: `"catalog trust add ${name} FINGERPRINT" makes it one, with a key of "catalog key list"; "npm publish" publishes it to its registry`,
    })
  }
  return publishVersion(network, { name, document: parseDocument(body, name), signal })
}

/** @throws CatalogError DENIED without a key, INVALID_OPTIONS, ALREADY_PUBLISHED with status 409 */
export async function publishVersion(
  network: Network,
  wanted: {
    readonly name: string
    readonly document: PackageDocument
    readonly signal: AbortSignal
  },
): Promise<Published> {
  const { node, originOf, ownKeys, replication, isPrivate } = network
  const { name, document, signal } = wanted
  const origin = originOf(name)
  const key = await ownKeys.keyFor(name, origin.kind === 'network' ? origin.publishers : [])
  const version = await newVersionOf(document)
  const isHidden = isPrivate(name)
  const { release, head, assetId } = await node.publications
    .publish({ ...version, visibility: isHidden ? 'private' : 'public' }, key, { signal })
    .catch(refuse)
  const { publisher } = release
  const versions = new Map([[release.version, { release, deprecated: undefined }]])
  network.noteForSearch({ name, versions, tags: head.tags })
  const spread = await replication.spread(release, signal)
  const where = isHidden ? 'signed' : 'published to the network'
  const notice = `${where} as ${publisher}: ${assetId}${keptText(spread, { isPrivate: isHidden, size: release.size })}`
  return { ...{ assetId, publisher, notice }, kept: spread.kept }
}

/** Empty where no peer was to keep it. */
export function keptText(
  { kept, wanted }: Spread,
  { isPrivate, size }: { readonly isPrivate: boolean; readonly size?: number },
): string {
  if (isPrivate) return ' (private: on this machine alone)'
  if (wanted === 0) return ''
  if (size !== undefined && size > MAX_REPLICA_BYTES) {
    return ` (on this machine, and where it gets installed: others keep copies of up to ${MAX_REPLICA_BYTES / 2 ** 20} MiB)`
  }
  const machines = kept === 1 ? '1 machine' : `${kept} machines`
  return kept === 0 ? ' (only on this machine as yet)' : ` (kept by ${machines} besides this one)`
}

/**
 * As clients expect it: npm takes 409 for a version that is there, and 400 for what nobody would accept; it would try again after
 * the 502 of a peer's statement that makes no sense.
 */
export function refuse(error: unknown): never {
  if (isCatalogError(error, 'ALREADY_PUBLISHED')) {
    const { message, hint = '' } = error
    throw new CatalogError('ALREADY_PUBLISHED', message, { status: 409, hint })
  }
  if (isCatalogError(error, 'INVALID_STATEMENT')) {
    const hint = 'docs/publishing.md says how much a package may be'
    throw new CatalogError('INVALID_OPTIONS', `nothing was signed: ${error.message}`, { hint })
  }
  throw error
}
