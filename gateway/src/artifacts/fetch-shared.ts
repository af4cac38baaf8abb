/**
 * An artifact by its hash alone, as a shared package is asked for: from the store or from peers, and no registry hears of it. Never
 * one that is private here, whoever asks: a hash proves nothing about who may have the bytes.
 */
import {
  CatalogError,
  isCatalogError,
  type Artifact,
  type CatalogNode,
  type Digest,
} from '@catalog-p2p/core'
import { deniedBytes, deniedError } from '../guard/denied-error.ts'
import type { Guard } from '../guard/guard.ts'
import { readAlong } from '../packuments/peers/read-along.ts'
import { nameIn } from './guarded-artifacts.ts'
import type { PrivateArtifacts } from './visibility/private-artifacts.ts'

export interface SharedRequest {
  readonly digest: Digest
  /** What it is called where it was asked for. */
  readonly name: string
  /** undefined: its file name does not say. */
  readonly version: string | undefined
  readonly signal: AbortSignal
}

/** @throws CatalogError NOT_FOUND, DENIED; `signal.reason` */
export async function fetchShared(
  deps: {
    readonly node: CatalogNode
    readonly guard: Guard
    readonly privateAccess: PrivateArtifacts
  },
  request: SharedRequest,
): Promise<Artifact> {
  const { node, guard, privateAccess } = deps
  const { digest, name, version, signal } = request
  const denial = version === undefined ? undefined : guard.bad(name, version)
  if (denial !== undefined) throw deniedError({ name, version }, denial)
  if (guard.isBad(digest)) throw deniedBytes({ name, version })
  const isPrivate = (): boolean =>
    node.entry(digest)?.visibility === 'private' || privateAccess.isDenied(digest, undefined)
  if (isPrivate()) throw nobodyHas(request)
  try {
    const artifact = await node.get(digest, { signal })
    // It may have come in as private meanwhile.
    if (!isPrivate()) return await admitted(guard, artifact)
  } catch (error) {
    if (!isCatalogError(error, 'NO_PROVIDERS')) throw error
    throw nobodyHas(request, error)
  }
  throw nobodyHas(request)
}

/** What it calls itself counts, as what it is called where it was asked for is anybody's word. @throws CatalogError DENIED */
async function admitted(guard: Guard, artifact: Artifact): Promise<Artifact> {
  if (!guard.hasRules) return artifact
  return await readAlong(artifact, async (reader) => {
    const own = await reader.end().then(nameIn, () => undefined)
    const denial = own && guard.bad(own.name, own.version)
    if (own !== undefined && denial !== undefined) throw deniedError(own, denial)
  })
}

function nobodyHas({ name, version = '' }: SharedRequest, cause?: unknown): CatalogError {
  const what = [name, version].filter(Boolean).join('@')
  return new CatalogError('NOT_FOUND', `${what} with that hash: no machine has it now`, {
    hint: '"catalog peers" shows who is connected; whoever shared it can run "catalog share" again',
    ...(cause !== undefined && { cause }),
  })
}
