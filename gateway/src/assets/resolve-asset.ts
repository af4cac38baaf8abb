/**
 * What a package's version is: its bytes, its Merkle root and, for one of the network, who published it. A name of the network is
 * looked up with its publishers and nowhere else, any other at its registry; an Asset ID must have the root that it says.
 */
import {
  CatalogError,
  type Artifact,
  type CatalogNode,
  type Digest,
  type KeyId,
  type Release,
} from '@catalog-p2p/core'
import type { Artifacts } from '../artifacts/artifacts.ts'
import type { FindHeads } from '../trust/find-heads.ts'
import type { NameOrigins } from '../trust/origin-of-name.ts'

export interface WantedAsset {
  readonly name: string
  /** undefined: the latest, of a package of the network. */
  readonly version: string | undefined
  /** Hex; undefined: whatever it is. */
  readonly root: string | undefined
}

export interface AssetInfo {
  readonly assetId: string
  readonly name: string
  readonly version: string
  readonly digest: Digest
  /** Bytes. */
  readonly size: number
  readonly chunkSize: number
  /** Hex. */
  readonly root: string
  /** null: it is a registry's. */
  readonly publisher: KeyId | null
  /** By the publisher's clock, in milliseconds since the Unix epoch. */
  readonly publishedAtMs: number | null
  readonly deprecated: string | null
}

export interface AssetDependencies {
  readonly node: CatalogNode
  readonly artifacts: Pick<Artifacts, 'get'>
  readonly trust: { readonly originOf: NameOrigins }
  readonly network: { readonly findHeads: FindHeads }
}

/** @throws CatalogError NOT_FOUND, DIGEST_MISMATCH for another root than the Asset ID says; `signal.reason` */
export async function resolveAsset(
  deps: AssetDependencies,
  wanted: WantedAsset,
  signal: AbortSignal,
): Promise<AssetInfo> {
  const origin = deps.trust.originOf(wanted.name)
  const info =
    origin.kind === 'network'
      ? await ofNetwork(deps, { wanted, publishers: origin.publishers }, signal)
      : await ofRegistry(deps, wanted, signal)
  if (wanted.root === undefined || wanted.root === info.root) return info
  throw new CatalogError(
    'DIGEST_MISMATCH',
    `${info.name}@${info.version} has the root ${info.root}, not ${wanted.root}`,
    { hint: 'the Asset ID is of other bytes: ask whoever gave it to you' },
  )
}

async function ofNetwork(
  { node, network }: AssetDependencies,
  { wanted, publishers }: { wanted: WantedAsset; publishers: readonly KeyId[] },
  signal: AbortSignal,
): Promise<AssetInfo> {
  const { name } = wanted
  const asked = { name, publishers, version: wanted.version }
  const heads = await network.findHeads(asked, signal)
  for (const head of heads) {
    const version = wanted.version ?? head.tags.get('latest')
    if (version === undefined) continue
    const release = await node.publications.release(head, version, { signal })
    const isWanted = wanted.root === undefined || publishers.length === 1
    if (release === undefined || !(isWanted || hexOf(release.root) === wanted.root)) continue
    return infoOf(release, head.releases.get(version)?.deprecated)
  }
  throw new CatalogError(
    'NOT_FOUND',
    `no publisher of ${name} has ${wanted.version ?? 'a latest version'} here`,
    {
      hint: `see who is trusted for it (catalog trust explain ${name}), and that a machine with it is connected (catalog peers)`,
    },
  )
}

function infoOf(release: Release, deprecated: string | undefined): AssetInfo {
  const { name, version, digest, size, chunkSize, publisher, publishedAtMs } = release
  const root = hexOf(release.root)
  const assetId = assetIdOf(name, version, root)
  return {
    ...{ assetId, name, version, digest, size, chunkSize, root, publisher, publishedAtMs },
    deprecated: deprecated ?? null,
  }
}

async function ofRegistry(
  { node, artifacts }: AssetDependencies,
  { name, version }: WantedAsset,
  signal: AbortSignal,
): Promise<AssetInfo> {
  if (version === undefined) {
    throw new CatalogError('INVALID_OPTIONS', `which version of ${name}?`, {
      hint: `say it: ${name}@1.2.3`,
    })
  }
  const request = { name, version, file: undefined, integrity: undefined, client: undefined }
  const { artifact } = await artifacts.get({ ...request, signal })
  await readToEnd(artifact)
  const { digest } = artifact
  const { size, chunkSize, root } = await node.describe(digest)
  return {
    ...{ assetId: assetIdOf(name, version, hexOf(root)), name, version, digest, size, chunkSize },
    ...{ root: hexOf(root), publisher: null, publishedAtMs: null, deprecated: null },
  }
}

/** Then it is in the store, whole. */
async function readToEnd(artifact: Artifact): Promise<void> {
  for await (const chunk of artifact.body) void chunk
}

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const assetIdOf = (name: string, version: string, root: string): string =>
  `catalog:${name}@${version}:${root}`
