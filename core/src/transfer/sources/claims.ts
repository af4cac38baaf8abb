/**
 * All that peers claim about one artifact: different manifests are fetched beside each other, each from the peers that claim
 * it, until the sha512 of one has matched. None of them ends anything else before that. A claim that came to nothing is held
 * against its peers: proven false it is a lie; otherwise they are backed off.
 */
import type { PeerId } from '../../host/host.ts'
import { CatalogError, isCatalogError } from '../../errors.ts'
import { matchesLeaf } from '../../content/merkle.ts'
import type { Visibility } from '../../content/visibility.ts'
import type { TransferDeps } from '../transfer-deps.ts'
import type { ManifestClaim } from './ask-peer.ts'
import { isSameClaim } from './ask-peer.ts'
import { Candidate } from './candidate.ts'
import type { Found } from './found.ts'

/** Different manifests of one artifact that are fetched at once; more wait for a place. */
const MAX_CANDIDATES = 4
/**
 * One of them gives way to one that waits when it is older than SETTLED_MS and would take longer than HOPELESS_MS, unless a
 * proven peer claims it: ids that have shown nothing yet cost nothing, so any number of them can wait.
 */
const SETTLED_MS = 2_000
const HOPELESS_MS = 60_000
const PLACE_POLL_MS = 250
/** A claim that is complete so soon after it was made is left alone: another source would only get in its way. So long a proven peer may take to begin. */
const ALMOST_DONE_MS = 500
/**
 * One of a peer that has sent good bytes before has longer, the more the larger it is, up to a bound: a lie may still come. All time
 * is counted from the first claim of the download, or ids that claim one after another would each have it anew.
 */
const PROVEN_MS = 1_000
const PROVEN_BYTES_PER_MS = 10_000
const MAX_PROVEN_MS = 5_000
/** A claim without bytes of a chunk for so long has stalled; for BUSY_MS where its peer answers other things that were asked of it. */
const STALLED_MS = 250
const BUSY_MS = 1_000
/** Bytes that are hashed to compare a small artifact with a claim: little enough not to hold up the event loop. */
const MAX_COMPARED_BYTES = 1024 * 1024

export interface Claims {
  /** Fetches it beside the others. Resolves when its bytes have matched; rejects when they did not come, or were others. */
  take(claim: ManifestClaim): Promise<Found>
  /** The download of what is claimed there, while it is fetched. */
  of(claim: ManifestClaim): Candidate | undefined
  /** Manifests being fetched, or waiting for it. */
  readonly count: number
  /** Milliseconds since the first claim; 0 before it. */
  readonly ageMs: number
  /** The one that will be complete first, at its pace so far; `provenFirst`: of those that are proven, if any is. */
  leader(options?: { provenFirst: boolean }): Candidate | undefined
  /** Resolves with the first that is verified. */
  readonly won: Promise<Found>
  /** Resolves when none is being fetched. */
  drained(): Promise<void>
  /** Calls it when the first claim is there: at once if it is. */
  onFirst(listener: () => void): void
  /** Drops what is under way, and takes no more. Settles when everything has been let go of. */
  close(reason: Error, options: { keep: boolean }): Promise<void>
  /** Holds against their peers what turned out false or came to nothing. */
  judge(truth: Found): void
}

/** True while the leader moves and would be complete in time: nothing else is asked beside it. */
export function isWellUnderWay(claims: Claims): boolean {
  const leader = claims.leader({ provenFirst: true })
  if (leader === undefined) return false
  const { ageMs } = claims
  if (!leader.isProven) return ageMs + leader.remainingMs < ALMOST_DONE_MS
  // Its chunks may wait behind what else it is sending.
  const [silentMs, idleMs] = [leader.listen(), leader.listenToAll()]
  if (silentMs > (idleMs > STALLED_MS ? STALLED_MS : BUSY_MS)) return false
  // Before its first chunk it has next to no pace yet.
  if (leader.remainingMs === Infinity && ageMs < ALMOST_DONE_MS) return true
  const wholeMs = PROVEN_MS + leader.claim.geometry.size / PROVEN_BYTES_PER_MS
  const leftMs = Math.min(leader.expectedMs, leader.atBestMs)
  return ageMs + leftMs < Math.min(wholeMs, MAX_PROVEN_MS)
}

export function createClaims(deps: TransferDeps, visibility: Visibility): Claims {
  return new RivalClaims(deps, visibility)
}

class RivalClaims implements Claims {
  readonly #deps: TransferDeps
  readonly #visibility: Visibility
  readonly #open = new Set<Candidate>()
  /** Not verified and not judged yet, open or not. */
  readonly #unproven = new Set<Candidate>()
  readonly #won = Promise.withResolvers<Found>()
  /** Undefined once the first claim is there. */
  #firstListeners: (() => void)[] | undefined = []
  #firstMs: number | undefined
  /** Claims that wait for a place. */
  #waiting = 0
  #closed: Error | undefined
  #changed = Promise.withResolvers<void>()

  constructor(deps: TransferDeps, visibility: Visibility) {
    this.#deps = deps
    this.#visibility = visibility
  }

  async take(claim: ManifestClaim): Promise<Found> {
    this.#announceFirst()
    this.#waiting++
    const rival = await this.#placeFor(claim).finally(() => this.#waiting--)
    rival?.join(claim)
    const candidate = rival ?? this.#start(claim)
    try {
      return { source: 'peer', assembly: await candidate.verified }
    } catch (error) {
      const { digest } = claim.geometry
      this.#deps.log.debug('download.claim-failed', { digest, peer: claim.peer, error })
      throw new CatalogError('PEER_REFUSED', 'what the peer claims did not come', { cause: error })
    }
  }

  of(claim: ManifestClaim): Candidate | undefined {
    return [...this.#open].find((candidate) => isSameClaim(candidate.claim, claim))
  }

  get count(): number {
    return this.#open.size + this.#waiting
  }

  leader({ provenFirst } = { provenFirst: false }): Candidate | undefined {
    const proven = provenFirst ? [...this.#open].filter(({ isProven }) => isProven) : []
    const [best] = (proven.length > 0 ? proven : [...this.#open]).toSorted(
      (a, b) => a.remainingMs - b.remainingMs || b.share - a.share,
    )
    return best
  }

  get won(): Promise<Found> {
    return this.#won.promise
  }

  async drained(): Promise<void> {
    while (this.count > 0) await this.#changed.promise
  }

  onFirst(listener: () => void): void {
    if (this.#firstListeners === undefined) listener()
    else this.#firstListeners.push(listener)
  }

  async close(reason: Error, options: { keep: boolean }): Promise<void> {
    this.#closed = reason
    await Promise.all([...this.#open].map(async (candidate) => candidate.drop(reason, options)))
  }

  judge(truth: Found): void {
    for (const candidate of [...this.#unproven]) {
      if (contradicts(candidate, truth)) this.#blame(candidate)
      // Where the other source was only somewhat quicker, it is worth asking again.
      else if (isBehind(candidate)) backOff(candidate.claimants.keys(), this.#deps)
    }
    this.#unproven.clear()
  }

  get ageMs(): number {
    return this.#deps.clock.now() - (this.#firstMs ?? this.#deps.clock.now())
  }

  #announceFirst(): void {
    this.#firstMs ??= this.#deps.clock.now()
    const listeners = this.#firstListeners ?? []
    this.#firstListeners = undefined
    for (const listener of listeners) listener()
  }

  /** Waits until one more may be fetched; resolves with the candidate that is the same, if there is one. */
  async #placeFor(claim: ManifestClaim): Promise<Candidate | undefined> {
    for (;;) {
      if (this.#closed !== undefined) throw this.#closed
      const same = this.of(claim)
      if (same !== undefined || this.#open.size < MAX_CANDIDATES) return same
      const victim = this.#hopeless()
      if (victim === undefined) await this.#deps.clock.sleep(PLACE_POLL_MS)
      else await victim.drop(new Error('others are waiting'), { keep: true })
    }
  }

  /** The one that gives way to another. */
  #hopeless(): Candidate | undefined {
    const [slowest] = [...this.#open]
      .filter((each) => each.ageMs > SETTLED_MS && each.remainingMs > HOPELESS_MS && !each.isProven)
      .toSorted((a, b) => b.idleMs - a.idleMs)
    return slowest
  }

  #start(claim: ManifestClaim): Candidate {
    const candidate = new Candidate(claim, this.#deps, this.#visibility)
    this.#open.add(candidate)
    this.#unproven.add(candidate)
    candidate.verified.then(
      (assembly) => {
        this.#unproven.delete(candidate)
        this.#won.resolve({ source: 'peer', assembly })
        this.#end(candidate)
      },
      (error: unknown) => {
        if (isCatalogError(error, 'DIGEST_MISMATCH')) this.#blame(candidate)
        this.#end(candidate)
      },
    )
    return candidate
  }

  #end(candidate: Candidate): void {
    this.#open.delete(candidate)
    this.#changed.resolve()
    this.#changed = Promise.withResolvers()
  }

  /**
   * A peer that answers for a manifest of other bytes has lied; one that passes it on while downloading has been lied to.
   * Where none answers for it, one of them has made it up.
   */
  #blame(candidate: Candidate): void {
    this.#unproven.delete(candidate)
    const { scores } = this.#deps
    const { claimants } = candidate
    const answering = [...claimants].filter(([, holdsAll]) => holdsAll).map(([peer]) => peer)
    const reason = 'a manifest of other bytes'
    for (const peer of answering) scores.penalize(peer, reason)
    if (answering.length > 0) return
    for (const peer of claimants.keys()) scores.suspect(peer, reason)
  }
}

function isBehind({ share, idleMs }: Candidate): boolean {
  return share < 0.5 || (share < 1 && idleMs > STALLED_MS)
}

function contradicts({ claim }: Candidate, truth: Found): boolean {
  if ('bytes' in truth) return isContradictedBy(truth.bytes, claim)
  const { geometry, leaves } = truth.assembly
  if (claim.geometry.size !== geometry.size) return true
  if (leaves === undefined || claim.geometry.chunkSize !== geometry.chunkSize) return false
  return Buffer.compare(claim.leaves, leaves) !== 0
}

function isContradictedBy(bytes: Uint8Array, { geometry, leaves }: Candidate['claim']): boolean {
  const { size, chunkSize } = geometry
  if (size !== bytes.byteLength) return true
  for (let start = 0; start < Math.min(size, MAX_COMPARED_BYTES); start += chunkSize) {
    const chunk = bytes.subarray(start, start + chunkSize)
    if (!matchesLeaf(chunk, leaves, start / chunkSize)) return true
  }
  return false
}

function backOff(peers: Iterable<PeerId>, deps: TransferDeps): void {
  for (const peer of peers) deps.scores.backOff(peer)
}
