/**
 * Keeps packages of the network for their publishers when a peer asks for it: the head, the releases, the newest tarball. Only of
 * publishers whom this machine's user trusts for that name, within the store's own quota for replicas, and a few at once.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import {
  CatalogError,
  isCatalogError,
  type Answering,
  type CatalogNode,
  type Digest,
  type Head,
  type Logger,
  type PublishedName,
} from '@catalog-p2p/core'
import { newestFirst } from './newest-first.ts'
import { MAX_REPLICA_BYTES, REPLICAS, type ReplicaRequest } from './replica-messages.ts'

export interface KeepReplicasDeps {
  readonly node: CatalogNode
  /** Whether what this publisher signs under that name counts here, and may be told to peers. */
  readonly isTrusted: (published: PublishedName) => boolean
  readonly log: Logger
}

const MAX_AT_ONCE = 4
/** All of it; the peer waits a little longer. */
const KEEP_MS = 25_000
/** What the publisher has just made is announced a moment later. */
const TRY_MS = 5_000
const AGAIN_MS = 250
/** That of the newest version among them. */
const MAX_RELEASES = 1_000
/** The DHT has only a pointer to a larger one: the head itself is then an artifact like others. */
const MAX_HEAD_VALUE_BYTES = 8 * 1024

export function keepReplicas({ node, isTrusted, log }: KeepReplicasDeps): Answering {
  let running = 0
  return node.questions.answer(REPLICAS, {
    maxStreamsPerPeer: 1,
    async answer(request, { signal }) {
      // Asked first, so that strangers' signatures cost nothing.
      if (!isTrusted(request) || running >= MAX_AT_ONCE || quotaOf(node) === 0) return false
      running += 1
      try {
        return await keep(node, request, signal)
      } catch (error) {
        if (isCatalogError(error, 'PEER_MISBEHAVED')) throw error
        log.debug('replicas.not-kept', { name: request.name, error })
        return false
      } finally {
        running -= 1
      }
    },
  })
}

async function keep(
  node: CatalogNode,
  { name, publisher, head: statement }: ReplicaRequest,
  asked: AbortSignal,
): Promise<boolean> {
  const head = takeHead(node, { name, publisher }, statement)
  if (head === undefined) return false
  if (statement.byteLength > MAX_HEAD_VALUE_BYTES) {
    const digest = await node.put(statement, { visibility: 'public', retention: 'replica' })
    if (!isKept(node, digest)) return false
  }
  const signal = AbortSignal.any([asked, AbortSignal.timeout(KEEP_MS)])
  for (;;) {
    try {
      return await keepAll(node, head, AbortSignal.any([signal, AbortSignal.timeout(TRY_MS)]))
    } catch (error) {
      if (signal.aborted || !isPassing(error)) throw error
    }
    await sleep(AGAIN_MS, undefined, { signal })
  }
}

/** Undefined for one half of a fork. @throws CatalogError PEER_MISBEHAVED for one that is forged */
function takeHead(
  node: CatalogNode,
  published: PublishedName,
  statement: Uint8Array,
): Head | undefined {
  try {
    return node.publications.take(published, statement)
  } catch (error) {
    if (!isCatalogError(error, 'INVALID_STATEMENT')) throw error
    throw new CatalogError('PEER_MISBEHAVED', 'replicas: a forged head')
  }
}

/** Whether all of it is in the store now. @throws CatalogError NOT_FOUND, NO_PROVIDERS, PEER_TIMEOUT while some of it can't be had */
async function keepAll(node: CatalogNode, head: Head, signal: AbortSignal): Promise<boolean> {
  const versions = newestFirst(head)
  const [newest] = versions
  if (newest === undefined) return true // all withdrawn, and that is worth keeping
  for (const version of versions.slice(0, MAX_RELEASES)) {
    const { statement } = head.releases.get(version) ?? {}
    if (statement === undefined || !(await keepArtifact(node, statement, signal))) return false
  }
  const release = await node.publications.release(head, newest, { signal })
  if (release === undefined) throw new CatalogError('NOT_FOUND', `${head.name}@${newest}`)
  if (release.size > Math.min(MAX_REPLICA_BYTES, quotaOf(node))) return false
  return await keepArtifact(node, release.digest, signal)
}

function quotaOf(node: CatalogNode): number {
  return node.stats().store.replicaQuotaBytes
}

async function keepArtifact(
  node: CatalogNode,
  digest: Digest,
  signal: AbortSignal,
): Promise<boolean> {
  if (isKept(node, digest)) return true
  // Its publisher may know its hash and not have it: nothing of this machine becomes public that way.
  if (node.entry(digest)?.visibility === 'private') return false
  const { body, size } = await node.get(digest, { signal })
  if (size !== undefined && size > MAX_REPLICA_BYTES) return false
  const parts: Uint8Array[] = []
  let bytes = 0
  for await (const part of body) {
    bytes += part.byteLength
    if (bytes > MAX_REPLICA_BYTES) return false
    parts.push(Uint8Array.from(part))
  }
  await node.put(Buffer.concat(parts, bytes), { visibility: 'public', retention: 'replica' })
  return isKept(node, digest)
}

function isKept(node: CatalogNode, digest: Digest): boolean {
  const entry = node.entry(digest)
  // What is kept of another swarm is given to nobody here.
  return entry?.visibility === 'public' && entry.retention !== 'cache'
}

/** Nobody who is connected has said yet that it has it. */
function isPassing(error: unknown): boolean {
  if (isCatalogError(error)) {
    return ['NO_PROVIDERS', 'NOT_FOUND', 'PEER_TIMEOUT'].includes(error.code)
  }
  return error instanceof Error && error.name === 'TimeoutError'
}
