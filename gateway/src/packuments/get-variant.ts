/**
 * A packument in the form that a client wants, asked for again where what it is made of has gone meanwhile: the cache may have lost
 * it, or what a peer said of it was a lie, and then another may be asked. Bounded; says which of the two it was.
 */
import { CatalogError } from '@catalog-p2p/core'
import type { PackumentAnswer, Packuments, PackumentVariant } from './packument-service.ts'

type VariantRequest = Parameters<Packuments['variant']>[0]

/** Words of peers that are looked at one after another; whoever has lied is not asked again. */
const MAX_WORDS = 5

/** @throws CatalogError PEER_MISBEHAVED, STORE_FAILED; what `packuments.get` throws */
export async function getVariant(
  packuments: Pick<Packuments, 'get' | 'variant'>,
  request: VariantRequest,
): Promise<{ answer: PackumentAnswer; variant: PackumentVariant }> {
  for (let asked = 1; ; asked += 1) {
    const answer = await packuments.get(asked === 1 ? request : { ...request, revalidate: true })
    const variant = await packuments.variant(request, answer)
    if (variant !== undefined) return { answer, variant }
    const { document, beside } = answer
    const isOfPeers = (beside ?? document).peerFetchedAtMs !== undefined
    if (isOfPeers && asked >= MAX_WORDS) throw allLie(request.name)
    if (!isOfPeers && asked > 1) throw notKept(request.name)
  }
}

function allLie(name: string): CatalogError {
  return new CatalogError('PEER_MISBEHAVED', `${name}: what peers say of it is not signed`, {
    hint: 'those that lie are not asked again: try again, or with its registry in reach',
  })
}

function notKept(name: string): CatalogError {
  return new CatalogError('STORE_FAILED', `${name}: metadata cannot be kept`, {
    hint: 'the metadata cache is too small for it: raise metadataMemoryBytes',
  })
}
