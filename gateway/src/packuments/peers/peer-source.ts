/**
 * Peers as a source of metadata: up to three that list the package are asked at once, and what they send is united in a worker
 * to a document of signed versions. Asks nobody about a package that is not public as far as is known, or of a registry for
 * which this user has no keys. What no honest peer would have sent is penalized, each peer for its own document.
 */
import { setTimeout } from 'node:timers/promises'
import PQueue from 'p-queue'
import {
  CatalogError,
  isCatalogError,
  packageKeyOf,
  type CatalogNode,
  type Logger,
} from '@catalog-p2p/core'
import type { TrustedKey, TrustedKeys } from '../../keys/trusted-keys.ts'
import type { PackumentJobs } from '../packument-jobs.ts'
import type { PackumentSource, SourceRequest } from '../packument-source.ts'
import { DOCUMENT_BOUNDS } from './json-bounds.ts'
import { makeSignedOfPeers } from './make-signed.ts'
import type { SignedDocument } from './signed-document.ts'
import { PACKUMENTS } from './packument-protocol.ts'
import type { RefusedWords } from './refused-words.ts'
import type { WitnessedPackage } from '../witness/witness-statement.ts'
import type { WitnessVerdict } from '../witness/verdict.ts'
import type { Witnesses } from '../witness/witnesses.ts'

export interface PeerSourceDependencies {
  readonly node: Pick<CatalogNode, 'questions'>
  readonly jobs: PackumentJobs
  readonly trustedKeys: TrustedKeys
  readonly isKnownPublic: (name: string) => boolean
  readonly refusedWords: RefusedWords
  readonly witnesses: Pick<Witnesses, 'ask'>
  /** Versions that a quorum of witnesses says are gone. */
  readonly onGone: (of: WitnessedPackage, gone: ReadonlyMap<string, string>) => void
  readonly log: Logger
}

interface PeerAnswer {
  readonly peer: string
  readonly body: Uint8Array
  readonly fetchedAtMs: number
}

/** A liar among three can neither hide a version nor have its way with a tag. */
const MAX_PEERS = 3
/** To get so many answers. */
const MAX_TRIED = 12
/** For the other peers, once one has answered. */
const OTHERS_MS = 300
/** Packages asked about at once: each answer may take 16 MiB of memory. */
const MAX_CONCURRENT = 8
/** Packages whose turn has not come; more are not asked about. */
const MAX_WAITING = 1_000

/** `fetch` @throws CatalogError NOT_FOUND when no peer has evidence of any version */
export function createPeerSource(
  deps: PeerSourceDependencies,
  { maxBytes }: { readonly maxBytes: number },
): PackumentSource {
  const { node, jobs, trustedKeys, isKnownPublic, refusedWords, log } = deps
  const queue = new PQueue({ concurrency: MAX_CONCURRENT })

  async function askPeer(
    peer: string,
    { registry, name, signal }: SourceRequest,
  ): Promise<PeerAnswer | undefined> {
    const request = { key: packageKeyOf({ registry: registry.url, name }) }
    try {
      const answer = await node.questions.ask(PACKUMENTS, { peer, request, signal })
      return answer && { peer, body: answer.document, fetchedAtMs: answer.fetchedAtMs }
    } catch (error) {
      log.debug('packuments.peer-failed', { peer, name, error })
      if (isCatalogError(error, 'PEER_MISBEHAVED')) node.questions.penalize(peer, error.message)
      return undefined
    }
  }

  async function askAll(request: SourceRequest): Promise<PeerAnswer[]> {
    const key = packageKeyOf({ registry: request.registry.url, name: request.name })
    const peers = node.questions.holders(key).slice(0, MAX_TRIED)
    const answers = await firstAnswers(peers, (peer) => askPeer(peer, request))
    request.signal.throwIfAborted()
    return answers.toSorted((a, b) => peers.indexOf(a.peer) - peers.indexOf(b.peer))
  }

  async function ask(request: SourceRequest, keys: readonly TrustedKey[]) {
    const { registry, name } = request
    const of = { registry: registry.url, name }
    const [documents, witnessed] = await Promise.all([
      askAll(request),
      deps.witnesses.ask(of, { signal: request.signal }),
    ])
    if (documents.length === 0) throw notKnown(name, 'no peer has its metadata')
    const limit = Math.min(maxBytes, DOCUMENT_BOUNDS.bytes)
    const known = { refused: refusedWords.of(name), witnessed }
    const job = { ...of, ...known, keys, documents, maxBytes: limit, isStrict: true }
    const { body, hasTimes, problems, witness, gone } = await makeSignedOfPeers(jobs, job)
    if (gone.size > 0) deps.onGone(of, gone)
    if (witness !== undefined) sayUnverified(log, name, witness)
    penalizeLiars(deps, name, { documents, problems })
    if (body === undefined) throw notKnown(name, 'peers have no version with valid evidence')
    const usable = documents.filter((_, index) => problems[index] === undefined)
    const newest = Math.max(...usable.map(({ fetchedAtMs }) => fetchedAtMs))
    const fetchedAtMs = Math.min(newest, Date.now())
    return {
      body: Buffer.from(body),
      kind: hasTimes ? 'full' : 'abbreviated',
      fetchedAtMs,
      witness,
    } as const
  }

  return {
    by: 'peers',
    async fetch(request) {
      const { registry, name } = request
      if (!isKnownPublic(name)) throw notKnown(name, 'it is not known to be public')
      const keys = await trustedKeys(registry.url)
      if (keys === undefined) throw notKnown(name, `there are no keys for ${registry.url}`)
      if (queue.size >= MAX_WAITING) throw notKnown(name, 'too many packages are asked for at once')
      const made = await queue.add(() => ask(request, keys), { signal: request.signal })
      const { body, ...fromPeers } = made
      return {
        ...{ status: 'document', body, codings: ['gzip'], fromPeers },
        ...{ etag: undefined, lastModified: undefined },
        // The registry is asked as soon as it can be.
        lifetimeMs: 0,
        url: new URL(registry.url + name.replace('/', '%2f')),
      }
    },
  }
}

/** Of up to three at once; another one is asked instead of each that has nothing, though it lists that it has. */
async function firstAnswers(
  peers: readonly string[],
  ask: (peer: string) => Promise<PeerAnswer | undefined>,
): Promise<PeerAnswer[]> {
  const answers: PeerAnswer[] = []
  const first = Promise.withResolvers<void>()
  const untried = peers.values()
  const asking = Array.from({ length: MAX_PEERS }, async () => {
    for (const peer of untried) {
      const answer = await ask(peer)
      if (answer === undefined) continue
      answers.push(answer)
      return first.resolve()
    }
  })
  // One that is silent does not hold up what the others have said.
  const enough = first.promise.then(() => setTimeout(OTHERS_MS, undefined, { ref: false }))
  await Promise.race([Promise.all(asking), enough])
  return [...answers]
}

function sayUnverified(log: Logger, name: string, { tagsSeenAtMs, note }: WitnessVerdict): void {
  if (tagsSeenAtMs === undefined) log.warn('packuments.not-verified', { name, why: note })
}

/** Each peer for its own document. */
function penalizeLiars(
  { node, log }: PeerSourceDependencies,
  name: string,
  told: Pick<SignedDocument, 'problems'> & { readonly documents: readonly PeerAnswer[] },
): void {
  told.problems.forEach((problem, index) => {
    const peer = told.documents[index]?.peer
    if (problem === undefined || peer === undefined) return
    log.warn('packuments.false', { peer, name, problem })
    node.questions.penalize(peer, `${name}: ${problem}`)
  })
}

function notKnown(name: string, why: string): CatalogError {
  return new CatalogError('NOT_FOUND', `${name}: not to be had from peers: ${why}`)
}
