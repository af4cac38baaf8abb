/**
 * Every knob of the gateway with its default: the only place with defaults. Flat, so that flags, environment and
 * config file use the same names. docs/options.md is tested against this table.
 */
import { isAbsolute } from 'node:path'
import { z } from 'zod'
import { invalidOptions, isCatalogError, isKeyId, parseKeyId } from '@catalog-p2p/core'
import { SIGNATURE_POLICY } from './guard/signature-policy.ts'

const MiB = 1024 * 1024

const MAX_WITNESSES = 32

const timeMs = z.number().int().min(1).max(86_400_000)
const httpUrl = z.url({ protocol: /^https?$/, error: 'must be an http or https URL' })

const scopeOrPackage = z
  .string()
  .regex(/^(@[^/\s]+(\/[^/\s]+)?|[^@/\s][^/\s]*)$/, 'must be @scope or a package')

const schema = z.strictObject({
  /** TCP port. Fixed by default, because clients write the registry's URL into lockfiles and caches. 0: any free one. */
  port: z.number().int().min(0).max(65_535).default(4874),
  /** Addresses to listen on. Anything but loopback opens the gateway to the network. */
  addresses: z.array(z.string().min(1)).min(1).default(['127.0.0.1', '::1']),
  /** Host names, beside loopback's and the addresses above, that a request may carry in its Host header. */
  allowedHosts: z.array(z.string().min(1)).default([]),

  /** The registry behind us; null: none at all (peers only); undefined: what npm is configured with. */
  upstream: httpUrl.nullable().optional(),
  /** Asked for tarballs whose digest is known, and for nothing else, where `upstream` fails or is none; never with credentials. */
  fallbackUpstream: httpUrl
    .refine((text) => new URL(text).username === '', 'must be without credentials: none go there')
    .optional(),
  /** What a client's registry was before it was pointed at us; used when npm's leads back to us, or npm names none. */
  previousRegistry: httpUrl.optional(),
  /** Scopes, with their `@`, and packages that never touch the network of peers. */
  privateScopes: z.array(scopeOrPackage).default([]),
  /** Private scopes, with their `@`, and packages that peers may have all the same: only for a node in a private swarm. */
  shareScopes: z.array(scopeOrPackage).default([]),
  /** The root of the private swarm: what it takes back is asked of peers, as for those of the trust file. */
  swarmRoot: z.string().refine(isKeyId).optional(),
  /** Registries whose packages anybody may have, as npm's own: these and all beneath them. */
  publicRegistries: z.array(httpUrl).default([]),
  /** What a client says the digest of a version is, while no registry can be asked whether it is: believed or not. */
  unboundDigests: z.enum(['allow', 'refuse']).default('allow'),
  /** Versions that came out more recently than this are not given to clients; 0: any age. */
  minReleaseAgeMs: z
    .number()
    .int()
    .min(0)
    .max(366 * 86_400_000)
    .default(0),
  /** Scopes, with their `@`, and packages that may be of any age. */
  minReleaseAgeExclude: z.array(scopeOrPackage).default([]),
  /** OSV records of known malware, which is not given to clients: a file or folder by its whole path, or a URL. */
  malwareList: z
    .string()
    .refine(
      (text) => /^https?:\/\//i.test(text) || isAbsolute(text),
      'must be a whole path or a URL',
    )
    .optional(),
  /** Versions with less proof of their origin than earlier ones of the package. */
  trustDowngrade: z.enum(['off', 'warn', 'refuse']).default('off'),
  /** Versions that their registry has not signed: `warn` or `require`, for all registries, or `URL=require` for one. */
  registrySignatures: z
    .array(z.string().regex(SIGNATURE_POLICY, 'must be off, warn or require, or URL=require'))
    .default([]),
  /** Versions that were removed from their registry, as it shows itself or a quorum of witnesses says. */
  takedown: z.enum(['off', 'deny']).default('off'),
  /** Fingerprints of the keys of witnesses whose word on tags, times and takedowns counts. */
  witnesses: z
    .array(z.string().refine(isTypedKeyId, "must be a key's fingerprint, as catalog witness shows"))
    .max(MAX_WITNESSES)
    .default([]),
  /** So many of them must agree; undefined: more than half. */
  witnessQuorum: z.number().int().min(1).max(MAX_WITNESSES).optional(),
  /** Sign for peers what the registry behind us says of public packages. */
  countersign: z.boolean().default(false),
  /** File with the key for that, made when missing; undefined: a key of this run only. */
  witnessKeyPath: z.string().min(1).optional(),
  /** Metadata of private packages on disk; false: in memory, with nothing of their names. */
  keepPrivate: z.boolean().default(true),
  /** File with the random key that owners of private artifacts are told apart by, made when missing; undefined: of this run only. */
  ownerKeyPath: z.string().min(1).optional(),
  /** A further .npmrc, which counts more than this user's. */
  npmrcPath: z.string().min(1).optional(),

  /** Folder for metadata; undefined keeps it in memory. */
  cachePath: z.string().min(1).optional(),
  /** File that says where else to listen, for guests: containers and the like, without anything of this user's; undefined: nowhere. */
  bridgesPath: z.string().min(1).optional(),
  /** File with the signing keys that `catalog registry-keys` imported; undefined: the pinned ones only. */
  keyringPath: z.string().min(1).optional(),
  /** File that says which scopes and packages come from publishers of the network, and from which; undefined: none. */
  trustPath: z.string().min(1).optional(),
  /** Folder whose `keys` are the publishers' keys of this user; undefined: this gateway publishes nothing to the network. */
  keyFolderPath: z.string().min(1).optional(),
  /** What clients must show to publish to the network; undefined: nobody can. */
  publishToken: z.string().min(16).optional(),
  /** What build tools must show to write build results, and may do nothing else with; undefined: none can. */
  buildToken: z.string().min(16).optional(),
  /** Peers that are asked to keep what is published here; 0: none. */
  replication: z.number().int().min(0).max(20).default(3),
  /** A package that no registry has belongs to whoever is seen to publish it first. */
  trustOnFirstUse: z.boolean().default(false),
  /** Bytes of metadata kept on disk, at most. */
  metadataQuotaBytes: z
    .number()
    .int()
    .nonnegative()
    .default(1024 * MiB),
  /** Bytes of metadata kept in memory, at most. */
  metadataMemoryBytes: z
    .number()
    .int()
    .nonnegative()
    .default(64 * MiB),
  /** Metadata younger than this is served without asking upstream, if its registry allows as much (Cache-Control). */
  maxAgeMs: z.number().int().min(0).default(300_000),
  /** Older metadata is served all the same when upstream has not begun to answer within this. */
  staleAfterMs: timeMs.default(30_000),
  /** Older metadata is served at once when it is younger than this, and asked for anew behind the answer; 0: never. */
  staleWhileRevalidateMs: z
    .number()
    .int()
    .min(0)
    .max(30 * 86_400_000)
    .default(0),
  /** Fetch ahead of a client that resolves an install the metadata of what it is given depends on. */
  metadataAhead: z.boolean().default(true),
  /** Largest metadata document taken from upstream, unpacked. */
  maxPackumentBytes: z
    .number()
    .int()
    .min(1024)
    .default(128 * MiB),

  /** Largest body of a request that is passed on (a publish). */
  maxUploadBytes: z
    .number()
    .int()
    .nonnegative()
    .default(256 * MiB),
  /** Open client connections, at most. */
  maxSockets: z.number().int().min(1).default(2048),
  /** A client must have sent its headers within this. */
  headersTimeoutMs: timeMs.default(15_000),
  /** A connection on which nothing moves for this long is closed. Longer than an answer of upstream may take to begin. */
  idleTimeoutMs: timeMs.default(360_000),
  /** An idle client connection is kept open for this long. */
  keepAliveMs: timeMs.default(65_000),
  /** On stop, answers under way get this long to finish. */
  drainTimeoutMs: timeMs.default(10_000),

  /** Connecting to upstream. */
  upstreamConnectTimeoutMs: timeMs.default(10_000),
  /**
   * Upstream's headers; as long as npm waits for them. Each pause in a body may take as long, but no more than a minute. In each such
   * time metadata must bring 16 KiB, and it must be whole within ten.
   */
  upstreamTimeoutMs: timeMs.default(300_000),
  /** Further tries of an idempotent upstream request. */
  upstreamRetries: z.number().int().min(0).max(10).default(2),
  /** Connections to one upstream, at most; and as many again for HEAD of metadata. */
  upstreamSockets: z.number().int().min(1).max(512).default(64),

  /** Packages in one prefetch request, at most. */
  maxPrefetch: z.number().int().min(1).default(20_000),
  /** Artifacts that one prefetch request gets at once. */
  prefetchConcurrency: z.number().int().min(1).max(256).default(24),
  /** Fetch ahead of a client what its audit or its plugin said that its project holds. */
  hints: z.boolean().default(true),
  /** Share metadata too with machines that the root of the private swarm has certified: one of them asks the registry for all. */
  fleetMetadata: z.boolean().default(false),
  /** Fetch, when idle, what the registry has signed of artifacts that came by their hash alone, so that peers get them by name. */
  fetchRecords: z.boolean().default(true),
  /** Packages taken from one such list, at most. */
  maxHints: z.number().int().min(0).max(100_000).default(5_000),
  /** Artifacts moving at once for clients and ahead of them, together; clients come first. */
  hintConcurrency: z.number().int().min(1).max(256).default(32),
  /** It ends with the command that it was started for (`catalog exec`), so nobody else should count on it. */
  temporary: z.boolean().default(false),
  /** What its store held before may be anybody's files, so whose they are is not known (`catalog exec --frozen-trust`). */
  frozenTrust: z.boolean().default(false),
  /** Only while tarballs take longer than this to come, on average: from a peer next door it is not worth it. */
  hintWaitMs: z.number().int().min(0).max(60_000).default(20),
  /** The collector that traces of installs are sent to, as OTLP over HTTP; undefined: none, and nothing of it is loaded. */
  traces: z
    .strictObject({
      url: httpUrl,
      headers: z.record(z.string(), z.string()).default({}),
      resource: z.record(z.string(), z.string()).default({}),
      timeoutMs: timeMs.default(10_000),
    })
    .optional(),
  /** Results of build tasks (Turborepo, Nx, pnpm): whether tools of this machine may read them, and write them. */
  buildResults: z.enum(['off', 'read', 'write']).default('off'),
  /** What a task waits for the answers of peers before it is built here. */
  buildResultsWaitMs: z.number().int().min(1).max(10_000).default(150),
  /** This node is in a private swarm: what is not for everybody may be shared with its members. */
  privateSwarm: z.boolean().default(false),
  /** What `x-catalog-token` must say on requests that change something; undefined refuses them all. */
  adminToken: z.string().min(16).optional(),
})

const checked = schema.refine(
  ({ witnesses, witnessQuorum = 1 }) => witnesses.length === 0 || witnessQuorum <= witnesses.length,
  { path: ['witnessQuorum'], error: 'must not be more than there are witnesses' },
)

/** What a caller writes: everything optional. */
export type GatewayOptions = z.input<typeof schema>
/** What the parts get: everything decided. */
export type ParsedGatewayOptions = Readonly<z.output<typeof schema>>

function isTypedKeyId(text: string): boolean {
  try {
    parseKeyId(text)
    return true
  } catch (error) {
    if (isCatalogError(error, 'INVALID_KEY')) return false
    throw error
  }
}

/** @throws CatalogError INVALID_OPTIONS naming every bad option and what was expected */
export function parseGatewayOptions(input: unknown): ParsedGatewayOptions {
  const parsed = checked.safeParse(input ?? {})
  if (parsed.success) return parsed.data
  throw invalidOptions(parsed.error)
}
