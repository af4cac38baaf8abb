/**
 * The composition root: builds each part once, starts them in order, stops them in reverse. Only wiring: what a part does is
 * decided in the part. No other file knows which implementation stands behind a port.
 */
import type { CatalogNode, NodeEvent } from './api.ts'
import { createCarriers, type Carriers } from './carrier/carrier.ts'
import { listenOn } from './carrier/listen-on.ts'
import { openBanHistory, type BanHistory } from './ban-history.ts'
import type { ArtifactRecord } from './content/record.ts'
import { canCreateFolder } from './disk/make-folder.ts'
import { createFleet } from './fleet/fleet.ts'
import { createSwarmDiscovery } from './discovery/swarm-discovery.ts'
import { findGateways } from './host/gateways.ts'
import type { Host, PeerConnection } from './host/host.ts'
import { isOnOwnNetwork, isOwnNetwork } from './host/neighbourhood.ts'
import { closing, named, startParts, type Part } from './lifecycle.ts'
import { createRepeatLog } from './limits/repeat-log.ts'
import { silentLogger, type Logger } from './log.ts'
import { parseNodeOptions, type NodeOptions, type ParsedNodeOptions } from './options.ts'
import { systemRandom, type Random } from './random.ts'
import { createPeerQuestions } from './peer-questions.ts'
import { openHeadBook, type HeadBook } from './publications/head-book.ts'
import { headKeyOf } from './publications/head-key.ts'
import { createPublications } from './publications/publications.ts'
import {
  isTrustedRelease,
  verifyRelease,
  type TrustsPublisher,
} from './publications/release-evidence.ts'
import { openRecordStore } from './records/record-store.ts'
import { createRecords, type EvidenceVerdict, type VerifyEvidence } from './records/records.ts'
import { RunningNode } from './running-node.ts'
import { createSeeder } from './seeding/seeder.ts'
import { createFsStore } from './store/fs/fs-store.ts'
import { createMemoryStore } from './store/memory-store.ts'
import type { Store } from './store/store.ts'
import { reviewVisibility, type JudgeVisibility } from './store/visibility-review.ts'
import { createExpulsion } from './swarm/expulsion.ts'
import { createSwarm, type Swarm, type SwarmDependencies } from './swarm/swarm.ts'
import { findToldFolder } from './swarm-folder.ts'
import { systemClock, type Clock } from './timing/clock.ts'
import { createPeerScores, type PeerScores } from './transfer/peer-score.ts'
import { createTransfer, type Transfer } from './transfer/transfer.ts'
import { TRANSFER_PROTOCOL } from './wire/transfer-messages.ts'

/** Connections that peer exchange aims for. */
const TARGET_PEERS = 30

/** Collaborators that a caller may bring; what is absent is built from the options. */
export interface NodeDependencies {
  readonly log?: Logger
  readonly host?: Host
  readonly store?: Store
  /** Time and chance; the system's unless given. */
  readonly clock?: Clock
  readonly random?: Random
  /** What of the store is public now; asked at start of each artifact. Absent: what was. */
  readonly judgeVisibility?: JudgeVisibility
  /** Judges the evidence of records. Absent: no record is believed, nor passed on. */
  readonly verifyEvidence?: VerifyEvidence
  /** Of the private swarm that the node is in: only peers that prove theirs may connect. Absent: everybody may. */
  readonly swarm?: SwarmDependencies | undefined
  /** Whose releases of a name count. Absent: only those made with keys of this machine. */
  readonly trustsPublisher?: TrustsPublisher
  /** Names that no peer may hear of, not even by a hash: packages of them are told to nobody, whatever was before. Absent: none. */
  readonly isPrivateName?: ((name: string) => boolean) | undefined
  /** An identity for this run only: that of the store folder is neither read nor made. Default false. */
  readonly ephemeralIdentity?: boolean
  /**
   * Peers are met when this resolves. Until then the node has none, and answers from its store and from origins; not being able to
   * meet them is then no failure of its start. Absent: the start waits for what is needed to meet them.
   */
  readonly meetAfter?: Promise<void> | undefined
}

/** What every part is built with. */
interface Context {
  readonly options: ParsedNodeOptions
  readonly log: Logger
  readonly clock: Clock
  readonly random: Random
  readonly emit: (event: NodeEvent) => void
}

/**
 * Builds and starts a node.
 * @throws CatalogError INVALID_OPTIONS, STORE_LOCKED, STORE_FAILED, HOST_FAILED
 */
export async function createNode(
  input: NodeOptions = {},
  given: NodeDependencies = {},
): Promise<CatalogNode> {
  const listeners = new Set<(event: NodeEvent) => void>()
  const context: Context = {
    options: parseNodeOptions(input),
    ...{ log: given.log ?? silentLogger, random: given.random ?? systemRandom },
    clock: given.clock ?? systemClock,
    emit: (event) => listeners.forEach((listener) => listener(event)),
  }
  const { options, log, clock, random } = context
  const { judgeVisibility, ephemeralIdentity = false } = given
  const swarm = given.swarm && createSwarm({ clock, ...given.swarm })
  const store = given.store ?? createStore(context)
  const folder = ephemeralIdentity ? undefined : options.store.path
  const told = folder && (await findToldFolder(folder, given.swarm?.state(), { log }))
  const host = given.host ?? (await createHost(context, { swarm, folder, told }))
  const bans = await openBanHistory(folder, context)
  const scores = createScores(context, { host, bans })
  const recordStore = await openRecordStore(told, { log })
  const headBook = await openHeadBook(told, { clock, log })
  const verify = createEvidenceCheck(headBook, given)
  const records = createRecords({ records: recordStore, store, log, verify })
  const discovery = createSwarmDiscovery(
    { host, clock, random, log, onMisbehaviour: scores.penalize },
    {
      peerExchange: options.network.peerExchange,
      dht: options.network.dht,
      targetPeers: TARGET_PEERS,
    },
  )
  const fleet = createFleet({ host, scores, clock, ...whoShares(swarm, options) }, options.transfer)
  const carriers = given.host ? undefined : buildCarriers(context, { host, scores })
  const transfer = createTransfer(
    { host, store, records, discovery, scores, fleet, carriers, clock, log },
    options.transfer,
  )
  const seeder = createSeeder({ store, records, discovery, log }, { seed: options.transfer.seed })
  const questions = createPeerQuestions(
    { host, clock, log, discovery, scores, uploads: transfer.uploads },
    options.transfer,
  )
  const publications = createPublications({
    ...{ store, host, questions, records, transfer, clock, random, log, book: headBook },
    routing: options.network.dht ? host.routing : undefined,
    trusts: given.trustsPublisher ?? (() => false),
    ...{ isPrivate: given.isPrivateName, newcomers: discovery.newcomers },
  })

  // In this order; stopped in reverse.
  const local: readonly Part[] = [
    closing('bans', bans),
    closing('records', recordStore),
    closing('heads', headBook),
    storePart(store),
    // There may be some before there are peers, and the store is not closed under them.
    { name: 'downloads', start: () => undefined, stop: () => transfer.stop() },
    named('visibility', {
      start: () => judgeVisibility && reviewVisibility(store, judgeVisibility),
      stop: () => undefined,
    }),
    named('events', createEventRelay(context, { host, store, transfer, scores })),
  ]
  const shared: readonly Part[] = [
    // Heads are in the first list that a peer is told, and given at once.
    ...[named('heads', publications.heads), named('host', host)],
    ...(swarm ? [named('expulsion', createExpulsion({ host, clock, log, ...swarm }))] : []),
    named('transfer', transfer),
    ...(carriers ? [named('carriers', carriers)] : []),
    named('discovery', discovery),
    named('seeder', seeder),
    named('publications', publications),
  ]
  const { stop } = await startParts({ local, shared, after: given.meetAfter }, { clock, log })

  return new RunningNode({
    ...{ clock, host, store, records, discovery, transfer, scores, fleet },
    ...{ questions, publications, carriers, stop },
    onEvent(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  })
}

/** Records that a registry has signed are for the caller to judge; releases count if they are our own, or trusted. */
function createEvidenceCheck(
  headBook: HeadBook,
  { verifyEvidence, trustsPublisher }: NodeDependencies,
): VerifyEvidence {
  const isOwn: TrustsPublisher = (name) =>
    (headBook.get(headKeyOf(name))?.origin ?? 'cache') !== 'cache'
  const trusts: TrustsPublisher = (name) => isOwn(name) || (trustsPublisher?.(name) ?? false)
  const verify = async (record: ArtifactRecord): Promise<EvidenceVerdict> => {
    const { evidence } = record
    if (evidence.kind !== 'release') return (await verifyEvidence?.(record)) ?? 'unknown'
    return verifyRelease({ ...record, evidence }, trusts)
  }
  return Object.assign(verify, {
    stillCounts: (record: ArtifactRecord) =>
      record.evidence.kind === 'release'
        ? isTrustedRelease(record, trusts)
        : verifyEvidence?.stillCounts?.(record) !== false,
  })
}

/** What is still to be written is, while peers are taken leave of. */
function storePart(store: Store): Part {
  const prepareStop = (): void => void store.drain().catch(() => undefined)
  return named('store', store, { isLocal: true, prepareStop })
}

function createStore({ options, clock, log }: Context): Store {
  const { path, artifactsOf, keepPrivate, ...sizes } = options.store
  const { chunkSize } = options.transfer
  if (path === undefined) return createMemoryStore({ clock, log }, { ...sizes, chunkSize })
  const folders = { path, artifactsOf }
  return createFsStore({ clock, log }, { ...sizes, ...folders, keepPrivate, chunkSize })
}

// libp2p is most of what there is to load: only a node that uses it pays for that.
async function createHost(
  { options, log, clock, random }: Context,
  given: {
    readonly swarm: Swarm | undefined
    readonly folder: string | undefined
    readonly told: string | undefined
  },
): Promise<Host> {
  const { createLibp2pHost } = await import('./host/libp2p/libp2p-host.ts')
  const { swarm: membership, folder, told } = given
  // The host would try for ever to use a folder that can't be made; the store reports it.
  const hasFolder = folder !== undefined && (await canCreateFolder(folder))
  const paths = hasFolder ? { path: folder, peersPath: told } : { path: undefined }
  return createLibp2pHost(
    { log, clock, random, membership },
    { network: options.network, ...paths },
  )
}

function buildCarriers(
  { options, log, clock }: Context,
  { host, scores }: { readonly host: Host; readonly scores: PeerScores },
): Carriers | undefined {
  const on = listenOn(options.network)
  if (on === undefined) return undefined
  const isNear = (ip: string): boolean => isOwnNetwork(ip, options, { loopback: true })
  const isGateway = (ip: string): boolean => findGateways().has(ip)
  const deps = { host, clock, log, onMisbehaviour: scores.penalize, isNear, isGateway }
  return createCarriers(deps, { ...on, protocol: TRANSFER_PROTOCOL })
}

/** Peer scores that disconnect whom they ban. */
function createScores(
  { options, log, clock, emit }: Context,
  { host, bans }: { readonly host: Host; readonly bans: BanHistory },
): PeerScores {
  const logBan = createRepeatLog({ log, clock }, 'peer.banned')
  return createPeerScores(
    clock,
    (peer, reason, forMs) => {
      logBan({ peer, reason, forMs })
      emit({ type: 'peer-banned', peer, reason, forMs })
      host
        .disconnect(peer)
        .catch((error: unknown) => log.debug('peer.disconnect-failed', { peer, error }))
    },
    {
      groupOf: (peer) => host.groupOf(peer),
      isLocal: (ip) => isOwnNetwork(ip, options),
      ...bans.scoreOptions,
    },
  )
}

function whoShares(swarm: Swarm | undefined, options: ParsedNodeOptions) {
  const isNeighbour = ({ address }: PeerConnection): boolean => isOnOwnNetwork(address, options)
  return { isNeighbour, isCertified: (peer: string) => swarm?.isCertified(peer) ?? false }
}

/** Tells the parts of each other's events, and the users of the node. */
function createEventRelay(
  { emit }: Context,
  parts: {
    readonly host: Host
    readonly store: Store
    readonly transfer: Transfer
    readonly scores: PeerScores
  },
): Pick<Part, 'start' | 'stop'> {
  const { host, store, transfer, scores } = parts
  const subscriptions: (() => void)[] = []
  return {
    start() {
      host.setGate(scores.isBanned)
      subscriptions.push(
        host.onEvent(({ type, peer }) => {
          if (type === 'connected') transfer.warmPeer(peer)
          else transfer.dropPeer(peer)
          emit({ type: `peer-${type}`, peer })
        }),
        store.onEvent((event) => {
          if (event.type === 'removed') emit({ type: 'artifact-removed', digest: event.digest })
          else emit({ type: 'artifact-added', digest: event.entry.digest, bytes: event.entry.size })
        }),
      )
    },
    stop: () => subscriptions.forEach((unsubscribe) => unsubscribe()),
  }
}
