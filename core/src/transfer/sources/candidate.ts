/**
 * One manifest that peers claim for an artifact, and the download of its chunks from those that claim the same. It knows how
 * far it has come as a share of what is claimed, so that a huge claim with a trickle of bytes counts for the little that it
 * is. Its peers are given credit for their chunks only when the whole has matched; it decides nothing about other candidates.
 */
import { hash } from 'node:crypto'
import type { Digest } from '../../content/digest.ts'
import { isCatalogError } from '../../errors.ts'
import type { Visibility } from '../../content/visibility.ts'
import type { PeerId } from '../../host/host.ts'
import type { Assembly } from '../chunks/assembly.ts'
import { downloadChunks } from '../chunks/chunk-download.ts'
import { createProgress, type Progress } from '../chunks/progress.ts'
import type { TransferDeps } from '../transfer-deps.ts'
import { isSameClaim, requestArtifact, type ManifestClaim } from './ask-peer.ts'
import { Claimants } from './claimants.ts'
import { remainingMs } from './pace.ts'

/** Before a peer that is still downloading is asked again what it has got; twice as long each time that it is nothing new, up to a bound. */
const REFRESH_MS = 100
const MAX_REFRESH_MS = 800
/** Fewer bytes are no part of a chunk: what ends a request without one is an answer, too. */
const MIN_HEARD_BYTES = 4 * 1024
/** So much of whatever else a peer was asked for: it is busy. */
const MIN_BUSY_BYTES = 64 * 1024

export class Candidate {
  readonly claim: Pick<ManifestClaim, 'geometry' | 'leaves'>
  /** The assembly, once the sha512 has matched. */
  readonly verified: Promise<Assembly>
  readonly #deps: TransferDeps
  readonly #visibility: Visibility
  readonly #claimants: Claimants
  /** Of chunks that matched their leaf, by peer. */
  readonly #receivedBytes = new Map<PeerId, number>()
  readonly #stop = new AbortController()
  readonly #startedMs: number
  #landedMs: number
  /** What has come of chunks from its peers, of this artifact and others, and when it was seen to be more. */
  readonly #heard: Progress
  #heardBytes = 0
  #heardMs: number
  /** The same of all that was asked of them: small artifacts go beside chunks, and share the peer's line with them. */
  readonly #sent: Progress
  #busyBytes = 0
  #busyMs: number
  #droppedMs: number | undefined
  #keep = true
  #assembly: Assembly | undefined
  /** The share that an earlier run had left. */
  #resumedShare = 0
  /** Peers that are still downloading: how many chunks each had when it was asked last, and how long it is left alone. */
  readonly #arriving = new Map<PeerId, { chunks: number; waitMs: number }>()
  /** Those of them that will be asked again. */
  readonly #waiting = new Set<PeerId>()

  constructor(first: ManifestClaim, deps: TransferDeps, visibility: Visibility) {
    this.claim = { geometry: first.geometry, leaves: first.leaves }
    this.#deps = deps
    this.#visibility = visibility
    this.#startedMs = deps.clock.now()
    this.#landedMs = this.#heardMs = this.#busyMs = this.#startedMs
    this.#heard = createProgress((peer) => deps.links.receivedBytes(peer, 'bulk'))
    this.#sent = createProgress((peer) => deps.links.receivedBytes(peer))
    this.#heard.total([first.peer])
    this.#sent.total([first.peer])
    const onIncomplete = (peer: PeerId, chunks: number) => void this.#refresh(peer, chunks)
    this.#claimants = new Claimants(deps.scores, onIncomplete)
    this.#claimants.join(first)
    this.verified = this.#run().finally(() => this.#stop.abort(new Error('the download is over')))
    this.verified.catch(() => undefined) // its user sees it; it may be dropped before there is one
  }

  /** All that sent this manifest; `true` for those that say they hold all of it, and so answer for it. */
  get claimants(): ReadonlyMap<PeerId, boolean> {
    return this.#claimants.all
  }

  /** Peers that are asked for chunks. */
  get chunkPeers(): number {
    return this.#claimants.active
  }

  /** One of them has sent good bytes before, and none that were not. */
  get isProven(): boolean {
    const { receivedBytes, strikes } = this.#deps.scores
    return [...this.claimants.keys()].some((peer) => receivedBytes(peer) > 0 && strikes(peer) === 0)
  }

  /** Undefined until there is a place for it. */
  get assembly(): Assembly | undefined {
    return this.#assembly
  }

  get ageMs(): number {
    return this.#deps.clock.now() - this.#startedMs
  }

  /** Since the last chunk came; it stands still once it has been dropped. */
  get idleMs(): number {
    return (this.#droppedMs ?? this.#deps.clock.now()) - this.#landedMs
  }

  /** Looks what has come of chunks from its peers, this artifact's or another's: milliseconds since a look found more. */
  listen(): number {
    const { clock } = this.#deps
    const heardBytes = this.#hear()
    if (heardBytes - this.#heardBytes >= MIN_HEARD_BYTES) {
      this.#heardBytes = heardBytes
      this.#heardMs = clock.now()
    }
    // Chunks may be small on their way.
    return clock.now() - Math.max(this.#heardMs, this.#landedMs)
  }

  /** The same of whatever its peers were asked for. */
  listenToAll(): number {
    const { clock } = this.#deps
    const sentBytes = this.#sent.total([...this.claimants.keys()])
    if (sentBytes - this.#busyBytes >= MIN_BUSY_BYTES) {
      this.#busyBytes = sentBytes
      this.#busyMs = clock.now()
    }
    return clock.now() - this.#busyMs
  }

  /** Since the claim: of its chunks, or heard from its peers as by `listen` if that is more. */
  get arrivedBytes(): number {
    return Math.max(this.#hear(), this.#gained * this.claim.geometry.size)
  }

  /** As `remainingMs`, at the pace of what has arrived: before the first chunk is whole that is all that is known. */
  get expectedMs(): number {
    if (this.#gained > 0) return this.remainingMs
    const arriving = this.arrivedBytes / this.claim.geometry.size
    return remainingMs(this.share + arriving, arriving, this.ageMs)
  }

  /** Milliseconds left if its peers sent nothing else from now on, at the pace of all that they have answered since the claim. */
  get atBestMs(): number {
    const leftBytes = (1 - this.share) * this.claim.geometry.size
    return (leftBytes * this.ageMs) / this.#sent.total([...this.claimants.keys()])
  }

  /** Of the claimed size, 0 to 1. */
  get share(): number {
    return this.#assembly?.share ?? 0
  }

  /** Until it is complete at its pace so far, more when it has fallen silent; Infinity while nothing has come. */
  get remainingMs(): number {
    const idleMs = this.#deps.clock.now() - this.#landedMs
    return remainingMs(this.share, this.#gained, this.ageMs, idleMs)
  }

  /** A claim of the same manifest: its peer takes part, at once or when there is a place. */
  join(claim: ManifestClaim): void {
    this.#claimants.join(claim)
  }

  /** Ends it, unless it has matched. Settles when it has let go of everything. */
  async drop(reason: Error, options: { keep: boolean }): Promise<void> {
    this.#keep = options.keep
    this.#droppedMs ??= this.#deps.clock.now()
    this.#stop.abort(reason)
    await Promise.allSettled([this.verified])
  }

  get #gained(): number {
    return this.share - this.#resumedShare
  }

  #hear(): number {
    return this.#heard.total([...this.claimants.keys()])
  }

  async #run(): Promise<Assembly> {
    const { geometry, leaves } = this.claim
    const assembly = await this.#deps.assemblies.open(geometry, leaves, this.#visibility)
    this.#assembly = assembly
    try {
      await this.#fill(assembly)
      await assembly.verified
    } catch (error) {
      const keep = this.#keep && !isCatalogError(error, 'STORE_CORRUPT')
      await assembly.fail(error, { keep })
      if (!assembly.isVerified) throw error
    }
    for (const [peer, bytes] of this.#receivedBytes) this.#deps.scores.answered(peer, { bytes })
    return assembly
  }

  async #fill(assembly: Assembly): Promise<void> {
    const { signal } = this.#stop
    signal.throwIfAborted()
    const present = await assembly.resume()
    this.#resumedShare = assembly.share
    this.#landedMs = this.#deps.clock.now()
    const onChunk = (peer: PeerId, bytes: number): void => {
      this.#landedMs = this.#deps.clock.now()
      this.#receivedBytes.set(peer, (this.#receivedBytes.get(peer) ?? 0) + bytes)
    }
    const from = placeOf(this.#deps.host.id, this.claim.geometry.digest)
    const options = { leaves: this.claim.leaves, present, signal, onChunk, from }
    await downloadChunks(assembly, this.#claimants, this.#deps, options)
  }

  /** What is still arriving at a peer grows. */
  async #refresh(peer: PeerId, chunks: number): Promise<void> {
    if (this.#waiting.has(peer)) return
    const last = this.#arriving.get(peer)
    const isNew = last === undefined || last.chunks !== chunks
    const waitMs = isNew ? REFRESH_MS : Math.min(2 * last.waitMs, MAX_REFRESH_MS)
    this.#arriving.set(peer, { chunks, waitMs })
    this.#waiting.add(peer)
    const { clock, log } = this.#deps
    const { digest } = this.claim.geometry
    const { signal } = this.#stop
    try {
      await clock.sleep(waitMs, signal).finally(() => this.#waiting.delete(peer))
      if (!this.#claimants.isActive(peer)) return
      const answer = await requestArtifact(peer, digest, this.#deps, { name: undefined, signal })
      if (!this.#claimants.isActive(peer) || answer.kind !== 'claim') return
      if (isSameClaim(answer.claim, this.claim)) this.join(answer.claim)
    } catch (error) {
      if (!signal.aborted) log.debug('download.claim-failed', { digest, peer, error })
    }
  }
}

/** As even as a hash. */
function placeOf(machine: PeerId, digest: Digest): number {
  const hashed = hash('sha256', `${machine} ${digest}`, 'buffer')
  return hashed.readUInt32BE() / 2 ** 32
}
