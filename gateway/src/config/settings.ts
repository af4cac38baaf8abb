/**
 * Every setting of the daemon: the one table behind flags, CATALOG_* environment, config file, help texts and
 * docs/options.md. Defaults and limits are not here: they stand in core's and the gateway's options.ts, where they apply.
 */
import { LIMIT_SETTINGS } from './limit-settings.ts'
import { advanced, boolean, bytes, choice, duration, group, integer } from './setting.ts'
import { list, path, port, rate, text, type Setting } from './setting.ts'

export const SETTINGS: readonly Setting[] = [
  ...group('Registry', {
    port: port('gateway:port', 'port of the registry; lockfiles and caches remember it'),
    host: list(
      'gateway:addresses',
      'address to listen on; anything but loopback opens the registry to the network',
      'address',
    ),
    'allowed-host': advanced(
      list('gateway:allowedHosts', 'further host name that requests may be addressed to', 'name'),
    ),
    upstream: text(
      'gateway:upstream',
      'registry to ask for what no peer has; without it, the one that npm is configured with',
      'url',
    ),
    'fallback-upstream': text(
      'gateway:fallbackUpstream',
      'second registry, for tarballs whose hash is known, where the first fails or is none; never with credentials',
      'url',
    ),
    'peers-only': boolean('start:peersOnly', 'use no registry at all, only the store and peers'),
    'private-scope': list(
      'gateway:privateScopes',
      'scope, or package, that never touches the network of peers',
      '@scope',
    ),
    'public-registry': list(
      'gateway:publicRegistries',
      "registry whose packages anybody may have, as npm's own; of others only what npm has signed goes to peers",
      'url',
    ),
    'unbound-digests': choice(
      'gateway:unboundDigests',
      'the hash in a lockfile while no registry can be asked whether it is of that version',
      ['allow', 'refuse'],
    ),
    'min-release-age': duration(
      'gateway:minReleaseAgeMs',
      'versions that came out more recently are not given to clients; 0: any age',
    ),
    'min-release-age-exclude': list(
      'gateway:minReleaseAgeExclude',
      'scope, or package, that may be of any age',
      '@scope',
    ),
    'malware-list': text(
      'gateway:malwareList',
      'OSV records of known malware, which is not given to clients: whole path of a file or folder, or URL',
      'path|url',
    ),
    'trust-downgrade': choice(
      'gateway:trustDowngrade',
      'versions with less proof of their origin than earlier ones of the package',
      ['off', 'warn', 'refuse'],
    ),
    'registry-signatures': list(
      'gateway:registrySignatures',
      'versions that their registry has not signed: off, warn or require; for one registry: its URL, = and that',
      'policy',
    ),
    'trust-on-first-use': boolean(
      'gateway:trustOnFirstUse',
      'a package that no registry has belongs to whoever is seen to publish it first',
    ),
    replication: integer(
      'gateway:replication',
      'peers that are asked to keep what this machine publishes to the network; 0: none',
    ),
    'trust-file': advanced(
      path('gateway:trustPath', 'file with the publishers of the network that are trusted', 'file'),
    ),
    takedown: choice('gateway:takedown', 'versions that their registry has removed', [
      'off',
      'deny',
    ]),
    witness: list(
      'gateway:witnesses',
      'key of a machine whose word on tags and times of metadata from peers counts',
      'key',
    ),
    'witness-quorum': integer('gateway:witnessQuorum', 'so many of the witnesses must agree'),
    countersign: boolean(
      'gateway:countersign',
      'be a witness: sign for peers what the registry says of public packages',
    ),
    npmrc: path('gateway:npmrcPath', 'further .npmrc, which counts more than your own', 'file'),
    keyring: advanced(
      path('gateway:keyringPath', "file with the registries' signing keys", 'file'),
    ),
    'max-age': duration(
      'gateway:maxAgeMs',
      'metadata younger than this is served without asking upstream, if that allows it',
    ),
    'stale-while-revalidate': duration(
      'gateway:staleWhileRevalidateMs',
      'metadata younger than this is served at once and renewed behind the answer; 0: never',
    ),
    'metadata-ahead': boolean(
      'gateway:metadataAhead',
      'fetch, while a client resolves, the metadata of the dependencies of what it has just been given',
    ),
    'build-results': choice(
      'gateway:buildResults',
      'results of build tasks, for Turborepo, Nx and pnpm: whether they may be read here, and written',
      ['off', 'read', 'write'],
    ),
    'build-results-wait': advanced(
      duration(
        'gateway:buildResultsWaitMs',
        'what a task waits for peers that may have its result, before it is built here',
      ),
    ),
    'stale-after': advanced(
      duration(
        'gateway:staleAfterMs',
        'older metadata is served when upstream has not answered within this',
      ),
    ),
  }),

  ...group('Network', {
    'network.family': choice('node:network.family', 'IP versions to use between peers', [
      'any',
      'ipv4',
      'ipv6',
    ]),
    'network.port': port(
      'node:network.port',
      'UDP (QUIC) and TCP port for peers; 0 lets the system choose',
    ),
    bootstrap: list('node:network.bootstrap', 'peer to join the network by', 'multiaddr'),
    swarm: path(
      'start:swarm',
      'file of the private swarm to be in, or none; in the environment also its text, as a secret',
      'file',
    ),
    'share-scope': list(
      'gateway:shareScopes',
      'private scope, or package, that all machines of the private swarm may have',
      '@scope',
    ),
    mdns: boolean('node:network.mdns', 'find peers on the local network'),
    dht: boolean('node:network.dht', 'find peers and artifacts beyond the local network'),
    relay: boolean('node:network.relayServer', 'relay for peers behind NAT; for public machines'),
    'bootstrap-server': boolean(
      'node:network.bootstrapServer',
      'always answer DHT queries of others; for public machines',
    ),
    'announce-address': advanced(
      list(
        'node:network.announceAddresses',
        'IP address to tell peers instead of those found',
        'multiaddr',
      ),
    ),
    'site-network': advanced(
      list(
        'node:network.siteNetworks',
        'routed private network, as 10.0.0.0/8, in which peers may show each other to us',
        'cidr',
      ),
    ),
    'loopback-only': advanced(
      boolean('node:network.loopbackOnly', 'meet peers on this machine only'),
    ),
    quic: advanced(boolean('node:network.quic', 'use QUIC (UDP) between peers')),
    tcp: advanced(boolean('node:network.tcp', 'use TCP where QUIC does not get through')),
    carrier: advanced(
      boolean('node:network.carrier', 'move bytes between peers over TLS connections of their own'),
    ),
    'carrier-port': advanced(
      port(
        'node:network.carrierPort',
        'TCP port where peers open TLS connections for bytes; default: the one after --network.port',
      ),
    ),
    'peer-exchange': advanced(boolean('node:network.peerExchange', 'learn of peers from peers')),
    upnp: advanced(
      boolean('node:network.upnp', 'ask the router (UPnP) to open the port to the internet'),
    ),
    'relay-client': advanced(
      boolean('node:network.relayClient', 'reach peers behind NAT through relays'),
    ),
    'max-connections': advanced(
      integer('node:network.maxConnections', 'connections to peers, at most'),
    ),
  }),

  ...group('Store', {
    store: path('node:store.path', 'folder for artifacts and metadata', 'folder'),
    quota: bytes(
      'node:store.quotaBytes',
      'disk space for artifacts; the least recently used make room',
    ),
    'replica-quota': bytes(
      'node:store.replicaQuotaBytes',
      'disk space, within the quota, for packages of others whom this machine trusts; 0: none',
    ),
    'keep-private': boolean(
      'node:store.keepPrivate',
      'keep private packages on disk; without, they and their metadata are gone after the run',
    ),
    'metadata-quota': advanced(bytes('gateway:metadataQuotaBytes', 'disk space for metadata')),
    memory: advanced(
      bytes('node:store.memoryBytes', 'memory for artifacts up to 1 MiB before the disk'),
    ),
    'metadata-memory': advanced(
      bytes('gateway:metadataMemoryBytes', 'memory for metadata before the disk'),
    ),
  }),

  ...group('Transfer', {
    'upload-rate': rate('node:transfer.uploadRate', 'to all peers together, a second; 0: no limit'),
    'download-rate': rate(
      'node:transfer.downloadRate',
      'from all peers together, a second; 0: no limit',
    ),
    'upload-rate-per-peer': advanced(
      rate('node:transfer.uploadRatePerPeer', 'to one peer, a second; 0: no limit'),
    ),
    'download-rate-per-peer': advanced(
      rate('node:transfer.downloadRatePerPeer', 'from one peer, a second; 0: no limit'),
    ),
    'max-concurrent-transfers': advanced(
      integer(
        'node:transfer.maxConcurrentTransfers',
        'large artifacts moving from or to one peer at once',
      ),
    ),
    'max-artifact': advanced(
      bytes('node:transfer.maxArtifactBytes', 'largest artifact taken from a peer'),
    ),
    'chunk-size': advanced(
      bytes('node:transfer.chunkSize', 'piece that is verified by itself; a power of two'),
    ),
    compression: advanced(
      list(
        'node:transfer.compression',
        'offered to peers, best first; of no effect until more than tarballs travels, which are compressed already',
        'name',
      ),
    ),
    seed: boolean('node:transfer.seed', 'serve public artifacts to peers'),
    fleet: boolean(
      'node:transfer.fleet',
      'share what the registry sends with machines of the same network: one of them fetches each artifact',
    ),
    'fleet-metadata': boolean(
      'gateway:fleetMetadata',
      'share metadata too, in a private swarm with a root: a certified machine is then believed as the registry is (docs/fleet.md)',
    ),
    hints: boolean(
      'gateway:hints',
      'fetch ahead of a client what it said early (audit, plugins) that its project holds',
    ),
    'fetch-records': boolean(
      'gateway:fetchRecords',
      'ask the registry, when idle, what it has signed of packages that npm asked for by their hash, for peers that ask by name',
    ),
  }),

  ...LIMIT_SETTINGS,

  ...group('Output', {
    'log-level': choice('start:logLevel', 'what to log; on a terminal only warnings by default', [
      'silent',
      'error',
      'warn',
      'info',
      'debug',
    ]),
    json: boolean('start:json', 'write JSON lines to standard output'),
  }),
]
