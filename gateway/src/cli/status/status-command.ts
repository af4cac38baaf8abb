/** `catalog status` and `catalog peers`: what the running daemon says of itself. */
import type { NodePeer } from '@catalog-p2p/core'
import type { DaemonClient, DaemonInfo, DaemonStatus } from '../../admin/daemon-client.ts'
import { loadConfig, requireDaemon, type Invocation } from '../shell/invocation.ts'
import { EXIT } from '../shell/exit-codes.ts'
import { buildFacts } from './build-facts.ts'
import { metadataFacts } from './metadata-facts.ts'
import { fleetFacts } from './fleet-facts.ts'
import { keptForOthers, replicationFacts } from './replication-facts.ts'
import { networkFacts } from './network-facts.ts'
import { swarmFacts } from './swarm-facts.ts'
import { ownSwarm } from '../swarm/own-swarm.ts'
import { formatBytes, formatFacts, formatMs, formatTable, plural } from '../shell/format.ts'

export async function statusCommand(invocation: Invocation): Promise<number> {
  const { terminal, signal } = invocation
  const config = loadConfig(invocation)
  const daemon = await requireDaemon(config)
  const status = await daemon.status({ signal })
  const { url, info } = daemon
  const swarm = ownSwarm(config, { info, status })
  if (config.json) {
    const { pid, version, startedAtMs } = info ?? {}
    terminal.print(JSON.stringify({ url, pid, version, startedAtMs, swarm, ...status }))
    return EXIT.ok
  }
  for (const line of statusLines(daemon, status, swarmFacts(swarm))) terminal.print(line)
  return EXIT.ok
}

type Facts = readonly (readonly [string, string])[]

function statusLines({ url, info }: DaemonClient, status: DaemonStatus, swarm: Facts): string[] {
  const { node, gateway } = status
  // A daemon of an older version does not say all of it.
  const { store, problems = [], network, fleet }: PartlyOld = node
  const { tarballs, packuments } = gateway
  const from = (source: keyof typeof tarballs): string =>
    `${plural(tarballs[source].artifacts, 'artifact')}, ${formatBytes(tarballs[source].bytes)}`
  const running = info === undefined ? '' : uptime(info)
  const pinned = store.pinned > 0 ? `, ${store.pinned} pinned` : ''
  const partial = store.partialBytes > 0 ? `, ${formatBytes(store.partialBytes)} unfinished` : ''
  const health = store.writable ? '' : ' (NOT WRITABLE: nothing new is kept)'
  const banned = node.bannedPeers > 0 ? `, ${node.bannedPeers} banned` : ''
  return formatFacts([
    ['registry', `${url}${running}`],
    ['upstream', gateway.upstream ?? 'none (peers only)'],
    ['peers', `${node.peers} connected${banned}, ${node.announced} artifacts announced`],
    ...swarm,
    ...networkFacts(network),
    [
      'store',
      `${plural(store.artifacts, 'artifact')}, ${formatBytes(store.bytes)} of ` +
        `${formatBytes(store.quotaBytes)}${pinned}${partial}${health}`,
    ],
    ...keptForOthers(store),
    ['served from store', from('store')],
    ['served from peers', from('peer')],
    ['served from registry', from('origin')],
    ...fleetFacts(fleet, tarballs, packuments),
    [
      'given to peers',
      `${plural(node.uploaded.artifacts, 'artifact')}, ${formatBytes(node.uploaded.bytes)}`,
    ],
    [
      'metadata',
      `${packuments.fresh} from cache, ${packuments.fetched} asked for, ${packuments.stale} old (upstream failed)`,
    ],
    ...metadataFacts(gateway.metadata),
    ...replicationFacts(gateway.replication),
    ...buildFacts(gateway.builds),
    [
      'upstream requests',
      `${gateway.upstreamRequests} (${gateway.upstreamFailures} failed), ${formatBytes(gateway.upstreamBytes)}`,
    ],
    ['peer id', node.id],
    ...problems.map((problem) => ['PROBLEM', problem] as const),
    ...node.addresses.map((address, index) => [index === 0 ? 'addresses' : '', address] as const),
  ])
}

/** What newer versions have added may be missing. */
type PartlyOld = Omit<DaemonStatus['node'], 'network' | 'fleet'> & Partial<DaemonStatus['node']>

function uptime({ pid, version, startedAtMs }: DaemonInfo): string {
  const since = formatMs(Math.max(0, Date.now() - startedAtMs))
  return ` (version ${version}, process ${pid}, up ${since})`
}

export async function peersCommand(invocation: Invocation): Promise<number> {
  const { terminal, signal } = invocation
  const config = loadConfig(invocation)
  const daemon = await requireDaemon(config)
  const peers = await daemon.peers({ signal })
  if (config.json) {
    terminal.print(JSON.stringify({ peers }))
    return EXIT.ok
  }
  if (peers.length === 0) {
    terminal.print('no peers')
    terminal.note(
      terminal.paintNote('dim', '"catalog doctor" tells what could be in the way of meeting some'),
    )
    return EXIT.ok
  }
  for (const line of peerTable(peers)) terminal.print(line)
  return EXIT.ok
}

function peerTable(peers: readonly NodePeer[]): string[] {
  const columns = [
    { title: 'PEER' },
    { title: 'VIA' },
    { title: 'ARTIFACTS', align: 'right' },
    { title: 'NAMES', align: 'right' },
    { title: 'RTT', align: 'right' },
    { title: 'GOT', align: 'right' },
    { title: 'GAVE', align: 'right' },
    { title: 'STRIKES', align: 'right' },
    { title: 'ADDRESS' },
  ] as const
  return formatTable(
    columns,
    peers.map((peer) => [
      peer.peer,
      peer.carriers > 0 ? `${peer.transport}, tls` : peer.transport,
      String(peer.artifacts),
      String(peer.names),
      peer.rttMs === undefined ? '-' : formatMs(peer.rttMs),
      formatBytes(peer.receivedBytes),
      formatBytes(peer.sentBytes),
      String(peer.strikes),
      peer.address,
    ]),
  )
}
