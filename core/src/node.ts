/**
 * The composition root: builds each part once, starts them in order, stops them in reverse. No other file knows which
 * implementation stands behind a port.
 */
import { networkInterfaces } from 'node:os'
import type { ArtifactSource, CatalogNode, NetworkStats, NodeEvent, NodeStats } from './api.ts'
import { systemClock } from './timing/clock.ts'
import { digestOf, type Digest } from './content/digest.ts'
import type { Discovery } from './discovery/discovery.ts'
import { createSwarmDiscovery } from './discovery/swarm-discovery.ts'
import { CatalogError } from './errors.ts'
import type { Host } from './host/host.ts'
import { findGateways } from './host/gateways.ts'
import { findOwnNetworks } from './host/own-networks.ts'
import { createRepeatLog } from './limits/repeat-log.ts'
import { startAll, stopAll, type Part } from './lifecycle.ts'
import { silentLogger, type Logger } from './log.ts'
import { parseNodeOptions, type NodeOptions, type ParsedNodeOptions } from './options.ts'
import { createSeeder } from './seeding/seeder.ts'
import { errnoOf } from './disk/errno.ts'
import { openBanStore, type BanStore } from './store/ban-store.ts'
import { createFsStore } from './store/fs/fs-store.ts'
import { makeFolder } from './disk/make-folder.ts'
import { createMemoryStore } from './store/memory-store.ts'
import type { Store } from './store/store.ts'
import { createPeerScores, type PeerScoreOptions } from './transfer/peer-score.ts'
import { createTransfer } from './transfer/transfer.ts'

/** Connections that peer exchange aims for. */
const TARGET_PEERS = 30
const CONNECT_DEADLINE_MS = 10_000

/** Collaborators that a caller may bring; what is absent is built from the options. */
export interface NodeDependencies {
  readonly log?: Logger
  readonly host?: Host
  readonly store?: Store
  /** Whether what the store holds as public still is, asked before anybody hears of it; what is not becomes private. */
  readonly isStillPublic?: (digest: Digest) => boolean
  /** An identity for this run alone: the one in the store folder is neither read nor made. */
  readonly isPassing?: boolean
}

/**
 * Builds and starts a node.
 * @throws CatalogError INVALID_OPTIONS, STORE_LOCKED, STORE_FAILED, HOST_FAILED
 */
export async function createNode(
  input: NodeOptions = {},
  given: NodeDependencies = {},
): Promise<CatalogNode> {
  const options = parseNodeOptions(input)
  const log = given.log ?? silentLogger
  const clock = systemClock
  const store = given.store ?? createStore(options, log)
  const host = given.host ?? (await createDefaultHost(options, log, given.isPassing))
  const listeners = new Set<(event: NodeEvent) => void>()
  const emit = (event: NodeEvent): void => {
    for (const listener of listeners) listener(event)
  }
  const bans = given.isPassing ? undefined : await openBans(options.store.path, log)
  const logBan = createRepeatLog({ log, clock }, 'peer.banned')
  const scores = createPeerScores(
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
      ...(bans && keepBans(bans, log)),
    },
  )
  const discovery = createSwarmDiscovery(
    { host, clock, log, onMisbehaviour: scores.penalize },
    {
      peerExchange: options.network.peerExchange,
      dht: options.network.dht,
      targetPeers: TARGET_PEERS,
    },
  )
  const transfer = createTransfer({ host, store, discovery, scores, clock, log }, options.transfer)
  const seeder = createSeeder({ store, discovery, log }, { seed: options.transfer.seed })
  const served = createServedCounter()
  const subscriptions: (() => void)[] = []

  function subscribe(): void {
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
  }

  // In this order; stopped in reverse.
  const parts: readonly Part[] = [
    named('bans', { start: () => undefined, stop: () => bans?.close() }, { isLocal: true }),
    named('store', store, { isLocal: true }),
    named('visibility', { start: () => review(store, given), stop: async () => undefined }),
    named('events', {
      start: subscribe,
      stop: () => subscriptions.forEach((unsubscribe) => unsubscribe()),
    }),
    named('host', host),
    named('transfer', transfer),
    named('discovery', discovery),
    named('seeder', seeder),
  ]
  await startAll(parts, { clock, log })

  let closing: Promise<void> | undefined
  const assertOpen = (): void => {
    if (closing !== undefined) throw new CatalogError('NODE_STOPPED', 'the node has stopped')
  }

  const node: CatalogNode = {
    id: host.id,
    async get(digest, getOptions = {}) {
      assertOpen()
      // A large one is read while it is answered: too late to find it damaged, and to take it from elsewhere.
      const isLarge = (store.entry(digest)?.size ?? 0) > options.transfer.chunkSize
      if (isLarge) await store.confirm(digest)
      const artifact = await transfer.get(digest, getOptions)
      served.count(artifact.source, artifact.size ?? 0)
      return artifact
    },
    async put(bytes, { visibility = 'public' } = {}) {
      assertOpen()
      const digest = digestOf(bytes)
      await store.put(digest, bytes, { visibility })
      return digest
    },
    has: (digest) => store.has(digest),
    entry: (digest) => store.entry(digest),
    stats: () => ({
      id: host.id,
      addresses: host.addresses(),
      problems: host.problems(),
      network: networkStats(host, discovery),
      peers: host.peers().length,
      bannedPeers: scores.bannedCount(),
      store: store.usage(),
      served: served.totals(),
      uploaded: { artifacts: transfer.uploads.artifacts, bytes: transfer.uploads.bytes },
      announced: discovery.stats().announced,
      activeDownloads: transfer.activeDownloads,
      misbehaviour: scores.totalStrikes(),
    }),
    peers: () =>
      host.peers().map((connection) => ({
        ...connection,
        artifacts: discovery.inventorySize(connection.peer),
        rttMs: scores.answerMs(connection.peer),
        receivedBytes: scores.receivedBytes(connection.peer),
        sentBytes: transfer.uploads.sentBytes(connection.peer),
        strikes: scores.strikes(connection.peer),
      })),
    connect: (address, { signal } = {}) =>
      host.connect(address, { signal: signal ?? AbortSignal.timeout(CONNECT_DEADLINE_MS) }),
    pin: (digest, pinned) => store.pin(digest, pinned),
    setVisibility: (digest, visibility) => store.setVisibility(digest, visibility),
    remove: (digest) => store.delete(digest),
    verify: (verifyOptions = {}) => store.verify(verifyOptions),
    prune: (pruneOptions = {}) => store.prune(pruneOptions),
    onEvent(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    close: () => (closing ??= stopAll(parts, { clock, log })),
    [Symbol.asyncDispose]: () => node.close(),
  }

  return node
}

function networkStats(host: Host, discovery: Discovery): NetworkStats {
  const { announceBacklog, announceFailures, isAnnounceFailing } = discovery.stats()
  return { ...host.network(), announceBacklog, announceFailures, isAnnounceFailing }
}

/** Entries that are looked at in one turn of the event loop. */
const REVIEWED_PER_TURN = 1_000

async function review(store: Store, { isStillPublic }: NodeDependencies): Promise<void> {
  if (isStillPublic === undefined) return
  const digests = [...store.entries()].flatMap(({ digest, visibility }) =>
    visibility === 'public' ? [digest] : [],
  )
  let hidden = 0
  for (const [index, digest] of digests.entries()) {
    if (!isStillPublic(digest) && store.setVisibility(digest, 'private')) hidden += 1
    if (index % REVIEWED_PER_TURN === REVIEWED_PER_TURN - 1) await new Promise(setImmediate)
  }
  // Said on disk, too, before anybody counts it as done.
  if (hidden > 0) await store.flush()
}

// libp2p is most of what there is to load: only a node that uses it pays for that.
async function createDefaultHost(
  options: ParsedNodeOptions,
  log: Logger,
  isPassing = false,
): Promise<Host> {
  const { createLibp2pHost } = await import('./host/libp2p/libp2p-host.ts')
  const { network, store } = options
  const path = isPassing || !(await canHave(store.path)) ? undefined : store.path
  return createLibp2pHost({ log, clock: systemClock }, { network, path })
}

/** False where no folder can be made at all, as in /proc, which the host would try for ever; the store says why. */
async function canHave(folder: string | undefined): Promise<boolean> {
  try {
    if (folder !== undefined) await makeFolder(folder)
    return true
  } catch (error) {
    return errnoOf(error) !== 'ENOENT'
  }
}

/** Undefined where nothing can be kept: then bans end with the process. */
async function openBans(folder: string | undefined, log: Logger): Promise<BanStore | undefined> {
  if (folder === undefined || !(await canHave(folder))) return undefined
  try {
    return await openBanStore(folder, { clock: systemClock })
  } catch (error) {
    log.debug('bans.not-kept', { folder, error })
    return undefined
  }
}

function keepBans(bans: BanStore, log: Logger): PeerScoreOptions {
  const now = systemClock.epochMs()
  return {
    restored: bans.load().map(({ kind, subject, strikes, untilMs }) => {
      const ban = { strikes, forMs: untilMs - now }
      return kind === 'group' ? { group: subject, ...ban } : { peer: subject, ...ban }
    }),
    onRecord: ({ strikes, forMs, ...ban }) => {
      const rest = { strikes, untilMs: systemClock.epochMs() + forMs }
      try {
        if ('group' in ban) bans.save({ kind: 'group', subject: ban.group, ...rest })
        else bans.save({ kind: 'peer', subject: ban.peer, ...rest })
      } catch (error) {
        log.debug('bans.not-kept', { error })
      }
    },
  }
}

function createStore(options: ParsedNodeOptions, log: Logger): Store {
  const { path, keepPrivate, ...sizes } = options.store
  const { chunkSize } = options.transfer
  const deps = { clock: systemClock, log }
  if (path === undefined) return createMemoryStore(deps, { ...sizes, chunkSize })
  return createFsStore(deps, { ...sizes, keepPrivate, path, chunkSize })
}

function named(
  name: string,
  part: Pick<Part, 'start' | 'stop'>,
  options: Pick<Part, 'isLocal'> = {},
): Part {
  return { name, start: () => part.start(), stop: () => part.stop(), ...options }
}

function createServedCounter(): {
  count(source: ArtifactSource, bytes: number): void
  totals(): NodeStats['served']
} {
  const empty = (): { artifacts: number; bytes: number } => ({ artifacts: 0, bytes: 0 })
  const totals = { store: empty(), peer: empty(), origin: empty() }
  return {
    count(source, bytes) {
      totals[source].artifacts++
      totals[source].bytes += bytes
    },
    totals: () => structuredClone(totals),
  }
}

function isOwnNetwork(ip: string, { network: { siteNetworks } }: ParsedNodeOptions): boolean {
  const options = { loopback: false, siteNetworks, gateways: findGateways() }
  return findOwnNetworks(networkInterfaces(), options).networksOf(ip).size > 0
}
