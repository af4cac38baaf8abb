/**
 * What a node offers its users: the gateway, plugins, scripts. Types only; node.ts builds it.
 */
import type { Digest } from './content/digest.ts'
import type { Fleet, FleetStats } from './fleet/fleet.ts'
import type { Manifest } from './content/manifest.ts'
import type { NameKey, PackageVersion } from './content/name-key.ts'
import type { ArtifactRecord } from './content/record.ts'
import type { EvidenceVerdict } from './records/records.ts'
import type { Answering, AnswerOptions } from './rpc/answer.ts'
import type { Question } from './rpc/ask.ts'
import type { RequestProtocol } from './rpc/protocol.ts'
import type { NetworkState, PeerConnection, PeerId } from './host/host.ts'
import type { Visibility } from './content/visibility.ts'
import type { Publications } from './publications/publications.ts'
import type { PruneReport, Retention, StoreEntry, StoreUsage, VerifyReport } from './store/store.ts'

/** Where the bytes of an artifact came from. */
export type ArtifactSource = 'store' | 'peer' | 'origin'

/** How the download of an artifact went, so far as it is known when it is read. */
export interface DownloadCourse {
  /** Peers that were asked for it, this time. */
  readonly asked: number
  /** Those whose answer took so long that the next source was started beside it (hedged). */
  readonly late: number
  /** Those that refused, hung up or lied; not those that had it not. */
  readonly failed: number
  /** Milliseconds from the beginning until the origin was asked; undefined: it was not. */
  readonly originAfterMs: number | undefined
  /** Peers whose bytes it is made of; some are left out when they are many. */
  readonly givers: readonly PeerId[]
}

/** An artifact under way. Exactly one consumer reads `body`; many `get`s of one digest share one download. */
export interface Artifact {
  readonly digest: Digest
  readonly source: ArtifactSource
  /** Undefined where nothing was downloaded for this answer. */
  readonly course?: DownloadCourse
  /** Bytes; undefined only while an origin has not said. */
  readonly size: number | undefined
  /** The whole artifact, verified, when it is at hand already (small ones always are). Never write to it. */
  readonly bytes: Uint8Array | undefined
  /**
   * The bytes in order. The last byte is handed out only after the whole digest has matched; when it does not match, or
   * every source fails, iteration throws. So a complete iteration is a verified artifact.
   */
  readonly body: AsyncIterable<Uint8Array>
}

/** A fallback outside the network (the HTTP registry), opened only when it is needed. */
export interface Origin {
  /**
   * Rejects when the origin has not got it; its error reaches the caller of `get` if no peer has it either. UPSTREAM_REJECTED
   * says that it works and will not give it: then nobody waits for a peer that has gone.
   */
  open(options: {
    signal: AbortSignal
  }): Promise<{ size?: number; body: AsyncIterable<Uint8Array> }>
  /** Whether what it gives was fetched with credentials. */
  readonly visibility: Visibility
}

export interface GetOptions {
  readonly signal?: AbortSignal
  readonly origin?: Origin
  /** false: never ask peers (the artifact's very name is private). Default true. */
  readonly peers?: boolean
  /**
   * What it is called at the registry behind `origin`: a machine of the fleet may be asked to fetch it for all. Only for what is
   * public, since that machine learns the name.
   */
  readonly fetchAs?: PackageVersion
}

export interface NodePeer extends PeerConnection {
  /** Artifacts it says it holds. */
  readonly artifacts: number
  /** Names and versions it can tell the digest of. */
  readonly names: number
  readonly rttMs: number | undefined
  /** TLS connections with it beside the one above, over which bytes go; see docs/protocol.md, Carriers. */
  readonly carriers: number
  /** Bytes received from and sent to it, this run. */
  readonly receivedBytes: number
  readonly sentBytes: number
  readonly strikes: number
}

/** How the node stands in the network, and how announcing in the DHT goes. */
export interface NetworkStats extends NetworkState {
  /** Announcements that wait for their turn. */
  readonly announceBacklog: number
  /** Those that failed, this run. */
  readonly announceFailures: number
  /** The last one has failed: nobody takes them now. */
  readonly isAnnounceFailing: boolean
}

export interface NodeStats {
  readonly id: PeerId
  readonly addresses: readonly string[]
  /** What of the network does not work just now though it should, in words for people. */
  readonly problems: readonly string[]
  readonly network: NetworkStats
  readonly peers: number
  /** Those of them that have told what they hold, be it nothing. */
  readonly inventories: number
  readonly bannedPeers: number
  readonly store: StoreUsage
  /** Artifacts and bytes handed to callers, by source, this run. */
  readonly served: Readonly<Record<ArtifactSource, { artifacts: number; bytes: number }>>
  /** What other peers got from us, this run. */
  readonly uploaded: { readonly artifacts: number; readonly bytes: number }
  readonly fleet: FleetStats
  readonly announced: number
  readonly activeDownloads: number
  /** Packages whose publisher has signed two different heads of one number; `catalog doctor` shows them. */
  readonly forks: readonly {
    readonly name: string
    readonly publisher: string
    readonly sequence: number
  }[]
  /** Bad bytes, wrong manifests, protocol violations seen from peers, this run. */
  readonly misbehaviour: number
}

export type NodeEvent =
  | { readonly type: 'peer-connected'; readonly peer: PeerId }
  | { readonly type: 'peer-disconnected'; readonly peer: PeerId }
  | {
      readonly type: 'peer-banned'
      readonly peer: PeerId
      readonly reason: string
      readonly forMs: number
    }
  | {
      readonly type: 'artifact-added'
      readonly digest: Digest
      readonly bytes: number
    }
  | { readonly type: 'artifact-removed'; readonly digest: Digest }

/** Questions to connected peers in protocols that the core does not know; each peer's own limits and bans hold for them too. */
export interface PeerQuestions {
  /** Connected peers that list a name, best first. Synchronous, no network. */
  holders(key: NameKey): PeerId[]
  /** All connected peers, best first. */
  peers(): PeerId[]
  /** Lists a name to peers from now on. Only names of public things: whatever is listed can be asked for. */
  announce(key: NameKey): void
  withdraw(key: NameKey): void
  /**
   * The response; undefined when the peer had none.
   * @throws CatalogError PEER_UNREACHABLE, PEER_REFUSED, PEER_TIMEOUT, PEER_MISBEHAVED; `signal.reason`
   */
  ask<Request, Response>(
    protocol: RequestProtocol<Request, Response>,
    question: Question<Request>,
  ): Promise<Response | undefined>
  /** Answers that protocol until `stop`; not where the node is told to seed nothing. */
  answer<Request, Response>(
    protocol: RequestProtocol<Request, Response>,
    options: AnswerOptions<Request, Response>,
  ): Answering
  /** The peer has said what no honest peer says: it is disconnected, and refused for a time that grows. */
  penalize(peer: PeerId, reason: string): void
}

export interface CatalogNode {
  readonly id: PeerId
  readonly questions: PeerQuestions
  /** Packages of the network. */
  readonly publications: Publications
  readonly fleet: Pick<Fleet, 'delegateOf' | 'serve' | 'stats' | 'metadata'>
  /**
   * The artifact from the store, else from the download already under way, else from peers, else from `origin`. Resolves when
   * the first bytes (of a small artifact: all, verified) are there.
   * @throws CatalogError NO_PROVIDERS when nobody has it and there is no origin; the origin's own error when that failed too
   */
  get(digest: Digest, options?: GetOptions): Promise<Artifact>
  /** Stores bytes (and announces them if public); returns their digest. Public, and cached, unless told otherwise. */
  put(
    bytes: Uint8Array,
    options?: { visibility?: Visibility; retention?: Retention },
  ): Promise<Digest>
  /** Verifies a record and keeps it; peers are told of its name while the store holds its artifact as public. */
  addRecord(record: ArtifactRecord): Promise<EvidenceVerdict>
  /** What is known here of a version. */
  findRecord(version: PackageVersion): ArtifactRecord | undefined
  /**
   * What peers say of a version, with evidence that has been verified. Asks only peers that list it, and with
   * `fetch` before them the machine of the fleet that fetches it for all; undefined, without any network traffic, when there is
   * neither. A small artifact comes with it, and is then in the store.
   * @throws CatalogError NODE_STOPPED, `signal.reason`
   */
  resolve(
    version: PackageVersion,
    options: { signal: AbortSignal; fetch?: boolean },
  ): Promise<ArtifactRecord | undefined>
  has(digest: Digest): boolean
  entry(digest: Digest): StoreEntry | undefined
  /** How an artifact of the store is cut. @throws CatalogError NOT_FOUND */
  describe(digest: Digest): Promise<Manifest>
  stats(): NodeStats
  /** Of `stats`, what somebody looks at all the time: cheap. */
  counts(): Pick<NodeStats, 'peers' | 'inventories' | 'uploaded'>
  peers(): readonly NodePeer[]
  /** Connects to a multiaddr. */
  connect(address: string, options?: { signal?: AbortSignal }): Promise<PeerId>
  pin(digest: Digest, pinned: boolean): Promise<boolean>
  /** Announces what the store holds from now on, or withdraws it; whether that was a change. */
  setVisibility(digest: Digest, visibility: Visibility): boolean
  /** Deletes it from the store and withdraws its announcement; whether it was there. */
  remove(digest: Digest): Promise<boolean>
  verify(options?: {
    signal?: AbortSignal
    onProgress?: (checked: number, total: number) => void
  }): Promise<VerifyReport>
  prune(options?: { targetBytes?: number; signal?: AbortSignal }): Promise<PruneReport>
  /** Waits until what is stored so far is on the disk itself, where a power failure can't take it, or was given up. */
  flush(): Promise<void>
  onEvent(listener: (event: NodeEvent) => void): () => void
  /** Stops in order, lets writes under way finish; idempotent. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}
