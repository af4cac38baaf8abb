/**
 * What the users of a node hold: each call is handed to the part that answers it. Holds no policy and no state of its own
 * but the count of what was served and that it has been closed. Never builds or starts anything: node.ts does.
 */
import type {
  Artifact,
  CatalogNode,
  GetOptions,
  NetworkStats,
  NodeEvent,
  PeerQuestions,
} from './api.ts'
import type { NodePeer, NodeStats } from './api.ts'
import { timeoutSignal } from './timing/timeout-signal.ts'
import type { Clock } from './timing/clock.ts'
import { digestOf, type Digest } from './content/digest.ts'
import type { Manifest } from './content/manifest.ts'
import type { PackageVersion } from './content/name-key.ts'
import type { ArtifactRecord } from './content/record.ts'
import type { EvidenceVerdict, Records } from './records/records.ts'
import type { Fleet } from './fleet/fleet.ts'
import type { SwarmDiscovery } from './discovery/swarm-discovery.ts'
import type { Carriers } from './carrier/carrier.ts'
import { CatalogError } from './errors.ts'
import type { Host, PeerId } from './host/host.ts'
import { ServedCounter } from './served-counter.ts'
import type { Visibility } from './content/visibility.ts'
import type { PruneReport, Retention, Store, StoreEntry, VerifyReport } from './store/store.ts'
import type { PeerScores } from './transfer/peer-score.ts'
import type { Transfer } from './transfer/transfer.ts'

const CONNECT_DEADLINE_MS = 10_000

export interface RunningParts {
  readonly clock: Clock
  readonly host: Host
  readonly store: Store
  readonly records: Records
  readonly discovery: SwarmDiscovery
  readonly transfer: Transfer
  readonly carriers: Pick<Carriers, 'count'> | undefined
  readonly scores: PeerScores
  readonly questions: PeerQuestions
  readonly publications: CatalogNode['publications']
  readonly fleet: Fleet
  readonly onEvent: CatalogNode['onEvent']
  /** Stops all parts; called once. */
  readonly stop: () => Promise<void>
}

export class RunningNode implements CatalogNode {
  readonly #parts: RunningParts
  readonly #served = new ServedCounter()
  #closing: Promise<void> | undefined

  constructor(parts: RunningParts) {
    this.#parts = parts
  }

  get questions(): PeerQuestions {
    return this.#parts.questions
  }

  get publications(): CatalogNode['publications'] {
    return this.#parts.publications
  }

  get fleet(): Fleet {
    return this.#parts.fleet
  }

  get id(): PeerId {
    return this.#parts.host.id
  }

  async get(digest: Digest, options: GetOptions = {}): Promise<Artifact> {
    this.#assertOpen()
    const artifact = await this.#parts.transfer.get(digest, options)
    this.#served.count(artifact.source, artifact.size ?? 0)
    return artifact
  }

  async put(
    bytes: Uint8Array,
    options: { visibility?: Visibility; retention?: Retention } = {},
  ): Promise<Digest> {
    this.#assertOpen()
    const digest = digestOf(bytes)
    const { visibility = 'public', retention = 'cache' } = options
    await this.#parts.store.put(digest, bytes, { visibility, retention })
    return digest
  }

  addRecord(record: ArtifactRecord): Promise<EvidenceVerdict> {
    return this.#parts.records.add(record)
  }

  findRecord(version: PackageVersion): ArtifactRecord | undefined {
    return this.#parts.records.find(version)
  }

  async resolve(
    version: PackageVersion,
    options: { signal: AbortSignal; fetch?: boolean },
  ): Promise<ArtifactRecord | undefined> {
    this.#assertOpen()
    return await this.#parts.transfer.resolve(version, options)
  }

  has(digest: Digest): boolean {
    return this.#parts.store.has(digest)
  }

  entry(digest: Digest): StoreEntry | undefined {
    return this.#parts.store.entry(digest)
  }

  async describe(digest: Digest): Promise<Manifest> {
    return (await this.#parts.store.describe(digest)).manifest
  }

  counts(): Pick<NodeStats, 'peers' | 'inventories' | 'uploaded'> {
    const { host, discovery, transfer } = this.#parts
    const { artifacts, bytes } = transfer.uploads
    const { inventories } = discovery.stats()
    return { peers: host.peers().length, inventories, uploaded: { artifacts, bytes } }
  }

  stats(): NodeStats {
    const { host, store, discovery, transfer, scores } = this.#parts
    return {
      ...this.counts(),
      id: host.id,
      addresses: host.addresses(),
      problems: host.problems(),
      network: networkStats(host, discovery),
      bannedPeers: scores.bannedCount(),
      store: store.usage(),
      served: this.#served.totals(),
      fleet: this.#parts.fleet.stats(),
      forks: this.#parts.publications
        .forks()
        .map(({ head: { name, publisher, sequence } }) => ({ name, publisher, sequence })),
      announced: discovery.stats().announced,
      activeDownloads: transfer.activeDownloads,
      misbehaviour: scores.totalStrikes(),
    }
  }

  peers(): readonly NodePeer[] {
    const { host, discovery, transfer, scores, carriers } = this.#parts
    return host.peers().map((connection) => ({
      ...connection,
      ...discovery.inventoryCounts(connection.peer),
      carriers: carriers?.count(connection.peer) ?? 0,
      rttMs: scores.answerMs(connection.peer),
      receivedBytes: scores.receivedBytes(connection.peer),
      sentBytes: transfer.uploads.sentBytes(connection.peer),
      strikes: scores.strikes(connection.peer),
    }))
  }

  connect(address: string, { signal }: { signal?: AbortSignal } = {}): Promise<PeerId> {
    return this.#parts.host.connect(address, {
      signal: signal ?? timeoutSignal(this.#parts.clock, CONNECT_DEADLINE_MS),
    })
  }

  pin(digest: Digest, pinned: boolean): Promise<boolean> {
    return this.#parts.store.pin(digest, pinned)
  }

  setVisibility(digest: Digest, visibility: Visibility): boolean {
    return this.#parts.store.setVisibility(digest, visibility)
  }

  remove(digest: Digest): Promise<boolean> {
    return this.#parts.store.delete(digest)
  }

  verify(options: Parameters<CatalogNode['verify']>[0] = {}): Promise<VerifyReport> {
    return this.#parts.store.verify(options)
  }

  prune(options: Parameters<CatalogNode['prune']>[0] = {}): Promise<PruneReport> {
    return this.#parts.store.prune(options)
  }

  flush(): Promise<void> {
    return this.#parts.store.flush()
  }

  onEvent(listener: (event: NodeEvent) => void): () => void {
    return this.#parts.onEvent(listener)
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#parts.stop())
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw new CatalogError('NODE_STOPPED', 'the node has stopped')
  }
}

function networkStats(host: Host, discovery: SwarmDiscovery): NetworkStats {
  const { announceBacklog, announceFailures, isAnnounceFailing } = discovery.stats()
  return { ...host.network(), announceBacklog, announceFailures, isAnnounceFailing }
}
