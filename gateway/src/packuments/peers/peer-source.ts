/**
 * Peers as a source of metadata: up to three that list the package are asked at once, and what they send is united in a worker
 * to a document of signed versions. Asks nobody about a package that is not public as far as is known, or of a registry for
 * which this user has no keys. What no honest peer would have sent is penalized, each peer for its own document.
 */
import PQueue from 'p-queue'
import { CatalogError, type CatalogNode, type Logger } from '@catalog-p2p/core'
import type { TrustedKey, TrustedKeys } from '../../keys/trusted-keys.ts'
import type { PackumentJobs } from '../worker/packument-jobs.ts'
import type { PackumentSource, Received, SourceRequest } from '../packument-source.ts'
import { askHolders, isUnchanged, type PeerAnswer } from './ask-holders.ts'
import { DOCUMENT_BOUNDS } from './json-bounds.ts'
import { makeSignedOfPeers } from './make-signed.ts'
import type { SignedDocument } from './signed-document.ts'
import { knownOf, validatorOf } from './peer-validator.ts'
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
  readonly witnesses: Pick<Witnesses, 'ask' | 'areNamed'>
  /** Versions that a quorum of witnesses says are gone. */
  readonly onGone: (of: WitnessedPackage, gone: ReadonlyMap<string, string>) => void
  readonly log: Logger
}

/** Packages asked about at once: each answer may take 16 MiB of memory. */
const MAX_CONCURRENT = 8
/** Packages whose turn has not come; more are not asked about. */
const MAX_WAITING = 1_000

/** `fetch` @throws CatalogError NOT_FOUND when no peer has evidence of any version */
export function createPeerSource(
  deps: PeerSourceDependencies,
  { maxBytes }: { readonly maxBytes: number },
): PackumentSource {
  const { jobs, trustedKeys, isKnownPublic, refusedWords, witnesses, log } = deps
  const queue = new PQueue({ concurrency: MAX_CONCURRENT })

  async function ask(request: SourceRequest, keys: readonly TrustedKey[]): Promise<Received> {
    const { registry, name, validators, signal } = request
    const of = { registry: registry.url, name }
    const refused = refusedWords.of(name)
    // Made of the same documents it says something else by what witnesses say, and what is not believed just now.
    const isPlain = !witnesses.areNamed && refused.length === 0
    const known = isPlain ? knownOf(validators?.etag, keys) : []
    const [answers, witnessed] = await Promise.all([
      askHolders(deps, request, known),
      witnesses.ask(of, { signal }),
    ])
    if (answers.length === 0) throw notKnown(name, 'no peer has its metadata')
    if (answers.every(isUnchanged)) {
      return { status: 'unchanged', lifetimeMs: 0, peerFetchedAtMs: newestOf(answers) }
    }
    const limit = Math.min(maxBytes, DOCUMENT_BOUNDS.bytes)
    const job = { ...of, refused, witnessed, keys, documents: answers, maxBytes: limit }
    const made = await makeSignedOfPeers(jobs, { ...job, isStrict: true })
    const { body, hasTimes, problems, witness, gone } = made
    if (gone.size > 0) deps.onGone(of, gone)
    if (witness !== undefined) sayUnverified(log, name, witness)
    penalizeLiars(deps, name, { documents: answers, problems })
    if (body === undefined) throw notKnown(name, 'peers have no version with valid evidence')
    const usable = answers.filter((_, index) => problems[index] === undefined)
    const sent = usable.map((each) => each.body)
    const fetchedAtMs = newestOf(usable)
    return {
      ...{ status: 'document', body: Buffer.from(body), codings: ['gzip'] },
      fromPeers: { kind: hasTimes ? 'full' : 'abbreviated', fetchedAtMs, witness },
      etag: isPlain ? validatorOf(keys, sent) : undefined,
      lastModified: undefined,
      // The registry is asked as soon as it can be.
      lifetimeMs: 0,
      url: new URL(registry.url + name.replace('/', '%2f')),
    }
  }

  return {
    by: 'peers',
    async fetch(request) {
      const { registry, name } = request
      if (!isKnownPublic(name)) throw notKnown(name, 'it is not known to be public')
      const keys = await trustedKeys(registry.url)
      if (keys === undefined) throw notKnown(name, `there are no keys for ${registry.url}`)
      if (queue.size >= MAX_WAITING) throw notKnown(name, 'too many packages are asked for at once')
      return await queue.add(() => ask(request, keys), { signal: request.signal })
    },
  }
}

/** When the registry last gave it to one of them, as they say. */
function newestOf(answers: readonly PeerAnswer[]): number {
  return Math.min(Math.max(...answers.map(({ fetchedAtMs }) => fetchedAtMs)), Date.now())
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
