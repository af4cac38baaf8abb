/**
 * Changes of a package of the network: a new version, tags, deprecations, versions withdrawn. Each is one signed head; until that is made
 * nothing has changed. Only with this gateway's token, and only with a key of this machine that the trust file names.
 */
import { CatalogError, keyIdOf, type CatalogNode, type HybridKey } from '@catalog-p2p/core'
import type { Exchange } from '../http/exchange.ts'
import { readJson } from '../http/json-body.ts'
import { sendJson } from '../http/respond.ts'
import type { ChangeRequest } from './change-request.ts'
import type { Network } from './network.ts'
import type { NetworkListing } from './network-packages.ts'
import { OWNERS_HINT } from './owners-hint.ts'
import { parseDocument, type PackageDocument } from './publish-document.ts'
import { keptText, publishVersion, refuse } from './publish-version.ts'

const LARGER = 'leave out of it what nobody needs ("files" in package.json), or raise --max-upload'

interface Change {
  readonly exchange: Exchange
  readonly name: string
  readonly key: HybridKey
}

export async function answerChange(
  deps: Network,
  { isOwner, maxUploadBytes }: { readonly isOwner: boolean; readonly maxUploadBytes: number },
  { exchange, name, change }: { exchange: Exchange; name: string; change: ChangeRequest },
): Promise<void> {
  if (!isOwner) throw needsToken(name)
  const origin = deps.originOf(name)
  const publishers = origin.kind === 'network' ? origin.publishers : []
  const made = { exchange, name, key: await deps.ownKeys.keyFor(name, publishers) }
  switch (change.kind) {
    case 'document': {
      const document = parseDocument(await readJson(exchange, maxUploadBytes, LARGER), name)
      return document._attachments === undefined
        ? changeDocument(deps, made, { document, revision: change.revision ?? document._rev })
        : publish(deps, made, document)
    }
    case 'unpublish': {
      const found = await requireCurrent(deps, made, change.revision)
      const publisher = keyIdOf(made.key.publicKey)
      const own = found.heads.find((head) => head.publisher === publisher)
      return apply(deps, made, { unpublish: [...(own?.releases.keys() ?? [])] })
    }
    case 'remove-tarball':
      return done(exchange, 200, { ok: true })
    case 'set-tag': {
      const version: unknown = await readJson(exchange, maxUploadBytes)
      if (typeof version !== 'string') {
        throw new CatalogError('INVALID_OPTIONS', 'the body must be a version, as JSON')
      }
      return apply(deps, made, { tags: { [change.tag]: version } })
    }
    case 'remove-tag':
      return apply(deps, made, { tags: { [change.tag]: null } })
  }
}

async function publish(
  network: Network,
  { exchange, name }: Change,
  document: PackageDocument,
): Promise<void> {
  const { signal } = exchange
  const { notice, ...said } = await publishVersion(network, { name, document, signal })
  exchange.res.setHeader('npm-notice', notice)
  done(exchange, 201, { ok: true, id: name, ...said })
}

/**
 * As `npm deprecate` and `npm unpublish` send it: the document as it shall be. Withdrawn is what a client has taken out of a document that
 * had all versions, and only its revision proves that it was shown one.
 */
async function changeDocument(
  deps: Network,
  made: Change,
  { document, revision }: { document: PackageDocument; revision: string | undefined },
): Promise<void> {
  const wanted = document.versions
  if (wanted === undefined) throw nothingToChange(made.name)
  const found = await requireCurrent(deps, made, revision)
  const unpublish = [...found.releases.keys()].filter((version) => wanted[version] === undefined)
  if (unpublish.length > 0 && revision === undefined) throw changedMeanwhile(made.name)
  const deprecations: Record<string, string | null> = {}
  for (const [version, { deprecated }] of found.releases) {
    const said = wanted[version]?.deprecated
    const reason = typeof said === 'string' && said !== '' ? said : undefined
    if (wanted[version] !== undefined && reason !== deprecated)
      deprecations[version] = reason ?? null
  }
  const tags: Record<string, string> = {}
  for (const [tag, version] of Object.entries(document['dist-tags'])) {
    const isThere = found.releases.has(version) && !unpublish.includes(version)
    if (isThere && found.tags.get(tag) !== version) tags[tag] = version
  }
  const isNothing = [unpublish, Object.keys(deprecations), Object.keys(tags)].every(
    ({ length }) => length === 0,
  )
  if (isNothing) throw nothingToChange(made.name)
  return apply(deps, made, { unpublish, deprecations, tags })
}

async function apply(
  { node, replication, isPrivate }: Network,
  { exchange, name, key }: Change,
  change: Parameters<CatalogNode['publications']['change']>[1],
): Promise<void> {
  const { signal } = exchange
  const visibility = isPrivate(name) ? 'private' : 'public'
  const options = { key, signal, visibility } as const
  const head = await node.publications.change(name, change, options).catch(refuse)
  const kept = keptText(await replication.spread(head, signal), {
    // Of what was private before, nothing is offered either.
    isPrivate: node.publications.offered(head) === undefined,
  })
  exchange.res.setHeader('npm-notice', `signed as ${head.publisher}${kept}`)
  done(exchange, 201, { ok: true, id: name, sequence: head.sequence })
}

/** @throws CatalogError INVALID_OPTIONS with status 409 when it has changed since the client has read it */
async function requireCurrent(
  { networkPackages }: Network,
  { exchange, name }: Change,
  revision: string | undefined,
): Promise<NetworkListing> {
  const found = await networkPackages.list(name, exchange)
  if (revision === undefined || revision === found.revision) return found
  throw changedMeanwhile(name)
}

function changedMeanwhile(name: string): CatalogError {
  return new CatalogError(
    'INVALID_OPTIONS',
    `${name} has changed meanwhile, or not all of its versions were read`,
    {
      status: 409,
      hint: 'run the command again, with npm: it asks for all versions ("?write=true"), other clients may not',
    },
  )
}

function done(exchange: Exchange, status: number, body: object): void {
  sendJson(exchange.req, exchange.res, { status, body })
}

function needsToken(name: string): CatalogError {
  return new CatalogError(
    'DENIED',
    `publishing ${name} to the network needs this gateway's token`,
    {
      // Not 401: npm then says nothing of ours.
      status: 403,
      hint: '"catalog token" prints it, and the line for .npmrc',
    },
  )
}

function nothingToChange(name: string): CatalogError {
  return new CatalogError('INVALID_OPTIONS', `nothing of ${name} would change`, {
    status: 405,
    hint: `${OWNERS_HINT}; stars are not kept`,
  })
}
