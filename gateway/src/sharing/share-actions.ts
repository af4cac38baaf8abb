/**
 * POST /-/catalog/share/{add,list,remove}: what `catalog share` asks of a running daemon. For its owner alone: to share is to make
 * bytes public for everybody who can be a peer, which is that person's decision and never a client's.
 */
import { z } from 'zod'
import {
  CatalogError,
  digestOf,
  isCatalogError,
  type CatalogNode,
  type Digest,
} from '@catalog-p2p/core'
import { parseBody } from '../http/json-body.ts'
import { isPackageName, isVersion } from '../http/route.ts'
import { readTarballManifest } from '../packuments/peers/tarball-manifest.ts'
import type { NameOrigins } from '../trust/origin-of-name.ts'
import { sharePath } from './share-address.ts'
import type { Share, Shares } from './shares.ts'

export interface ShareActions {
  readonly node: CatalogNode
  readonly shares: Shares
  readonly trust: { readonly originOf: NameOrigins }
  readonly registries: { homeOf(name: string): { readonly isPublic: boolean } }
}

export interface ShareOptions {
  /** What the user calls a name: private, or what all members of the private swarm may have. */
  readonly markOf: (name: string) => 'private' | 'shared' | undefined
}

export interface ListedShare extends Share {
  /** Below the gateway of any machine. */
  readonly path: string
  /** Whether it is still here, and given to peers. */
  readonly isGiven: boolean
}

/** Machines that are connected just now. */
export type AddedShare = ListedShare & { readonly peers: number }

const addBody = z.strictObject({
  tarball: z.base64(),
  evenIfPrivate: z.boolean().default(false),
})
const removeBody = z.strictObject({ what: z.string().min(1).max(1_000) })
const manifestSchema = z.looseObject({
  name: z.string().refine(isPackageName, 'is not a package name'),
  version: z.string().refine(isVersion, 'is not a version'),
  private: z.unknown().optional(),
})

/** @throws CatalogError INVALID_OPTIONS for a bad body or what must not be shared, NOT_FOUND for what is not there */
export async function runShareAction(
  deps: ShareActions,
  options: ShareOptions,
  { action, body, signal }: { action: string; body: unknown; signal: AbortSignal },
): Promise<unknown> {
  switch (action) {
    case 'add':
      return await add(deps, options, parseBody(addBody, body))
    case 'list':
      return { shares: deps.shares.list().map((share) => listed(deps, share)) }
    case 'remove':
      return { removed: await remove(deps, parseBody(removeBody, body).what, signal) }
    default:
      throw new CatalogError('NOT_FOUND', `no such share action: ${action.slice(0, 40)}`)
  }
}

async function add(
  deps: ShareActions,
  options: ShareOptions,
  { tarball, evenIfPrivate }: z.output<typeof addBody>,
): Promise<AddedShare> {
  const bytes = Buffer.from(tarball, 'base64')
  const { name, version, private: said } = await manifestIn(bytes)
  const digest = digestOf(bytes)
  const why = whyPrivate(deps, options, { name, said, digest })
  if (why !== undefined && !evenIfPrivate) {
    throw new CatalogError('INVALID_OPTIONS', `nothing was shared: ${why}`, {
      hint: 'everybody who is connected could have it; --even-if-private shares it all the same',
    })
  }
  const share = { digest, name, version, sharedAtMs: Date.now() }
  deps.shares.add(share)
  await deps.node.put(bytes, { visibility: 'public', retention: 'own' })
  return { ...listed(deps, share), peers: deps.node.stats().peers }
}

/** undefined: nothing says that it is. */
function whyPrivate(
  { node, shares, trust, registries }: ShareActions,
  { markOf }: ShareOptions,
  {
    name,
    said,
    digest,
  }: { readonly name: string; readonly said: unknown; readonly digest: Digest },
): string | undefined {
  if (said !== undefined && said !== false) return `the package.json of ${name} says it is private`
  const mark = markOf(name)
  if (mark === 'private') return `${name} is among the private scopes of this machine`
  // What was shared in another swarm is private in this one until it is shared again.
  const wasShared = shares.list().some((share) => share.digest === digest)
  if (!wasShared && node.entry(digest)?.visibility === 'private') {
    return `this machine has ${name} as a private package`
  }
  if (mark === 'shared' || trust.originOf(name).kind === 'network') return undefined
  if (isOfPublicRegistry(registries, name)) return undefined
  return `the registry of ${name} is not a public one`
}

function isOfPublicRegistry(registries: ShareActions['registries'], name: string): boolean {
  try {
    return registries.homeOf(name).isPublic
  } catch (error) {
    if (isCatalogError(error, 'NOT_FOUND')) return false // which one it is of is not known
    throw error
  }
}

async function manifestIn(bytes: Buffer): Promise<z.output<typeof manifestSchema>> {
  let text: string
  try {
    text = (await readTarballManifest(bytes)).packageJson
    return parseBody(manifestSchema, JSON.parse(text), ['package.json'])
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error)
    throw new CatalogError(
      'INVALID_OPTIONS',
      `nothing was shared: the archive is no package: ${words}`,
    )
  }
}

/** By its address, by name and version, or by name. */
async function remove(
  deps: ShareActions,
  what: string,
  signal: AbortSignal,
): Promise<ListedShare[]> {
  const meant = deps.shares.list().filter((share) => {
    const { name, version } = share
    return [name, `${name}@${version}`].includes(what) || what.endsWith(sharePath(share))
  })
  if (meant.length === 0) {
    throw new CatalogError('NOT_FOUND', `nothing like that is shared here: ${what.slice(0, 300)}`, {
      hint: '"catalog share --list" shows what is',
    })
  }
  for (const share of meant) {
    deps.shares.remove(share.digest)
    if (!(await isPublished(deps, share, signal))) await deps.node.remove(share.digest)
  }
  return meant.map((share) => ({ ...share, path: sharePath(share), isGiven: false }))
}

/** The same bytes may have been published as well, and then others count on them. */
async function isPublished(
  { node }: ShareActions,
  { name, version, digest }: Share,
  signal: AbortSignal,
): Promise<boolean> {
  for (const head of node.publications.own()) {
    if (head.name !== name || !head.releases.has(version)) continue
    const release = await node.publications.release(head, version, { signal })
    if (release === undefined || release.digest === digest) return true
  }
  return false
}

function listed({ node }: ShareActions, share: Share): ListedShare {
  const isGiven = isHere(node, share.digest)
  return { ...share, path: sharePath(share), isGiven }
}

/** Where what is public has become another matter since, as in another swarm, it is private until it is shared again. */
function isHere(node: CatalogNode, digest: Digest): boolean {
  return node.entry(digest)?.visibility === 'public'
}
