/**
 * Every knob of a node with its default: the only place with defaults. docs/options.md is tested
 * against this table. `parseNodeOptions` reports all problems at once.
 */
import envPaths from 'env-paths'
import { z } from 'zod'
import { CatalogError } from './errors.ts'

const MiB = 1024 * 1024

const bytes = z.number().int().nonnegative()
const rate = z.number().int().nonnegative().describe('bytes per second, 0 for no limit')

const networkSchema = z.strictObject({
  /** Listen and dial on both families, or on one only. */
  family: z.enum(['any', 'ipv4', 'ipv6']).default('any'),
  /** UDP (QUIC) and TCP port to listen on; 0 lets the system choose. */
  port: z.number().int().min(0).max(65535).default(4875),
  /** Listen on loopback only (tests, demos). */
  loopbackOnly: z.boolean().default(false),
  quic: z.boolean().default(true),
  tcp: z.boolean().default(true),
  /** Bytes between peers that reach each other by TCP go over TLS connections of our own; see carrier/carrier.ts. */
  carrier: z.boolean().default(true),
  /** TCP port for those; undefined: the one after `port`, or what the system chooses. */
  carrierPort: z.number().int().min(0).max(65535).optional(),
  mdns: z.boolean().default(true),
  dht: z.boolean().default(true),
  peerExchange: z.boolean().default(true),
  /** Opens the router to the internet, so only when asked to. */
  upnp: z.boolean().default(false),
  /** Reach peers through relays, and be reached through them. */
  relayClient: z.boolean().default(true),
  /** Relay for others; for public nodes. */
  relayServer: z.boolean().default(false),
  /** Answer DHT queries as a server before any peer has reached us from outside; for public nodes. */
  bootstrapServer: z.boolean().default(false),
  /** Multiaddrs to join by. */
  bootstrap: z.array(z.string().min(1)).default([]),
  /** Multiaddrs to tell others instead of those found. */
  announceAddresses: z.array(z.string().min(1)).default([]),
  /** Routed private networks (CIDR) of our own site: who is in one may tell us of peers in it. */
  siteNetworks: z.array(z.union([z.cidrv4(), z.cidrv6()])).default([]),
  maxConnections: z.number().int().min(1).max(10_000).default(200),
})

const storeSchema = z.strictObject({
  /** Folder; undefined keeps everything in memory. */
  path: z.string().min(1).optional(),
  /** Folder of another store, which anybody may have written: its artifacts are used, and nothing else of it. With `path` only. */
  artifactsOf: z.string().min(1).optional(),
  quotaBytes: bytes.default(20 * 1024 * MiB),
  /** Within it, what is kept for other publishers; undefined: a fifth of it. */
  replicaQuotaBytes: bytes.optional(),
  /** Private artifacts too; false: they pass through, and nothing of them reaches the folder. */
  keepPrivate: z.boolean().default(true),
  /** Of artifacts up to 1 MiB, kept in memory in front of the disk. */
  memoryBytes: bytes.default(64 * MiB),
})

const transferSchema = z.strictObject({
  chunkSize: z
    .number()
    .int()
    .min(64 * 1024)
    .max(4 * MiB)
    .refine((n) => (n & (n - 1)) === 0, 'must be a power of two')
    .default(MiB),
  /** Artifacts moving in bulk from or to one peer at once. */
  maxConcurrentTransfers: z.number().int().min(1).max(1000).default(10),
  uploadRate: rate.default(0),
  downloadRate: rate.default(0),
  uploadRatePerPeer: rate.default(0),
  downloadRatePerPeer: rate.default(0),
  /** Largest artifact taken from a peer. */
  maxArtifactBytes: bytes.default(4 * 1024 * MiB),
  /** Offered to peers, best first; what a chunk does not shrink under is not used. */
  compression: z.array(z.enum(['zstd', 'lz4', 'gzip'])).default(['zstd', 'lz4', 'gzip']),
  /** Seed public artifacts to peers. */
  seed: z.boolean().default(true),
  /** Share what the registry sends with the machines of the same network: one of them fetches each artifact. */
  fleet: z.boolean().default(true),
})

const schema = z.strictObject({
  network: networkSchema.prefault({}),
  store: storeSchema.prefault({}),
  transfer: transferSchema.prefault({}),
})

/** What a caller writes: everything optional. */
export type NodeOptions = z.input<typeof schema>
/** What the parts get: everything decided. */
export type ParsedNodeOptions = Readonly<z.output<typeof schema>>

/** @throws CatalogError INVALID_OPTIONS naming every bad option, what was got and what was expected */
export function parseNodeOptions(input: unknown): ParsedNodeOptions {
  const parsed = schema.safeParse(input ?? {})
  if (parsed.success) return parsed.data
  throw invalidOptions(parsed.error)
}

/** INVALID_OPTIONS with all that zod found wrong. */
export function invalidOptions({ issues }: z.ZodError): CatalogError {
  const problems = issues.map(({ path, message }) => `${path.join('.') || 'options'}: ${message}`)
  return new CatalogError('INVALID_OPTIONS', problems.join('; '), {
    hint: 'docs/options.md lists every option with its type and default',
  })
}

/** The store folder of this user, by the platform's convention. */
export function defaultStorePath(): string {
  return envPaths('catalog-p2p', { suffix: '' }).cache
}
