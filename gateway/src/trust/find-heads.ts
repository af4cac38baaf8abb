/**
 * The heads of those who may publish a name. Peers that have too much to do are asked again for as long as a client waits; and who did
 * not answer has not said that there is nothing: then it is an error to try again after, never an absence.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import {
  CatalogError,
  isCatalogError,
  type CatalogNode,
  type Head,
  type KeyId,
} from '@catalog-p2p/core'

/** Before they are asked again. With 3 s for each round 26 s, less than the minute that clients wait. */
const PAUSES_MS = [0, 250, 500, 1_000, 2_000, 4_000]
/** In seconds. Clients that do not look at it wait for longer. */
const RETRY_AFTER = '2'

export interface WantedHeads {
  readonly name: string
  readonly publishers: readonly KeyId[]
  /** One that must be in them: older heads without it are no answer while there may be a newer one. */
  readonly version?: string | undefined
}

/**
 * In the order of the publishers, those that there are. Of several none that is silent makes it fail: a publisher who has published
 * nothing under that name would otherwise cost all of them, as soon as a peer says that it has it. Each is looked for to the end, as
 * the first of them counts most.
 * @throws CatalogError PEER_TIMEOUT with status 503 when peers did not answer and nothing else is known; `signal.reason`
 */
export type FindHeads = (wanted: WantedHeads, signal: AbortSignal) => Promise<readonly Head[]>

/** @param isPrivate names that never reach a peer, not even as a hash: what is known here is all that there is of them */
export function createFindHeads(
  { publications }: Pick<CatalogNode, 'publications'>,
  isPrivate: (name: string) => boolean,
): FindHeads {
  return (wanted, signal) => {
    const { name, publishers } = wanted
    if (!isPrivate(name)) return findAmongPeers(publications, wanted, signal)
    const known = publishers.map((publisher) => publications.knownHead({ name, publisher }))
    const found = known.filter((head) => head !== undefined)
    return found.length > 0 ? Promise.resolve(found) : Promise.reject(notHere(name))
  }
}

/** Of a name that no peer is asked about. */
export function notHere(what: string): CatalogError {
  return new CatalogError(
    'NOT_FOUND',
    `${what} is of a private scope: no peer is asked for it, and nothing of it is here`,
    {
      hint: 'in a private swarm, --share-scope on this machine shares it with the members, and asks them',
    },
  )
}

async function findAmongPeers(
  publications: CatalogNode['publications'],
  wanted: WantedHeads,
  signal: AbortSignal,
): Promise<Head[]> {
  const { version } = wanted
  const isEnough = (heads: readonly Head[]): boolean =>
    version === undefined ? heads.length > 0 : heads.some((head) => says(head, version))
  let failure: unknown
  for (const pauseMs of PAUSES_MS) {
    if (pauseMs > 0) await sleep(pauseMs, undefined, { signal })
    let asked = await askAll(publications, wanted, { signal })
    if (version !== undefined && asked.heads.length > 0 && !isEnough(asked.heads)) {
      asked = await askAll(publications, wanted, { signal, maxAgeMs: 0, certain: true })
    }
    failure = asked.failure
    if (isEnough(asked.heads) || failure === undefined) return asked.heads
  }
  throw unanswered(wanted.name, failure)
}

/** To be tried again: it is there, and could not be had. */
export function unanswered(what: string, cause: unknown): CatalogError {
  return new CatalogError('PEER_TIMEOUT', `${what}: machines that have it did not answer`, {
    ...{ cause, status: 503, retryAfter: RETRY_AFTER },
    hint: 'they may have too much to do: try again; "catalog peers" shows who is there',
  })
}

async function askAll(
  publications: CatalogNode['publications'],
  { name, publishers }: WantedHeads,
  options: Parameters<CatalogNode['publications']['head']>[1],
): Promise<{ heads: Head[]; failure: unknown }> {
  let failure: unknown
  const found = await Promise.all(
    publishers.map(async (publisher) => {
      try {
        return await publications.head({ name, publisher }, options)
      } catch (error) {
        if (!isCatalogError(error, 'PEER_TIMEOUT')) throw error
        failure = error
        return publications.knownHead({ name, publisher })
      }
    }),
  )
  return { heads: found.filter((head) => head !== undefined), failure }
}

const says = ({ releases, unpublished }: Head, version: string): boolean =>
  releases.has(version) || unpublished.includes(version)
