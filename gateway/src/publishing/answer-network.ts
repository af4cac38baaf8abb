/**
 * Registry calls about a package of the network, answered from what its publishers have signed: reads for everybody, changes for who
 * holds this gateway's token. No registry hears of any of them.
 */
import { CatalogError, isCatalogError } from '@catalog-p2p/core'
import type { Activity } from '../activity/activity.ts'
import { noteFirstBytes, type Visit } from '../activity/visit.ts'
import { sendNoted, type LedgerOf } from '../artifacts/sending/send-noted.ts'
import { deniedBytes, deniedError } from '../guard/denied-error.ts'
import type { Guard } from '../guard/guard.ts'
import { malwareDenial } from '../guard/policy.ts'
import type { Counters } from '../http/counters.ts'
import type { Exchange } from '../http/exchange.ts'
import { isNotModified, sendJson } from '../http/respond.ts'
import type { Route } from '../http/route.ts'
import { notHere, unanswered } from '../trust/find-heads.ts'
import { answerChange } from './answer-change.ts'
import { parseChange } from './change-request.ts'
import { ATTESTATIONS, listingDocumentOf, packumentOf } from './network-packument.ts'
import { OWNERS_HINT } from './owners-hint.ts'
import type { Network } from './network.ts'
import { provenanceOf } from './provenance.ts'

export interface NetworkAnswers extends Network {
  readonly activity: Activity
  readonly counters: Counters
  readonly ledger: LedgerOf
  readonly guard: Pick<Guard, 'malwareId' | 'isBad'>
}

/** @param options `isOwner`: the client has shown this gateway's token */
export async function answerNetwork(
  deps: NetworkAnswers,
  options: { readonly isOwner: boolean; readonly maxUploadBytes: number },
  { exchange, route, name }: { exchange: Exchange; route: Route; name: string },
): Promise<void> {
  const isPublic = deps.isOpenName(name)
  if (route.route === 'packument') {
    const asked = { kind: 'metadata', name, version: undefined } as const
    return deps.activity.track(exchange, asked, (visit) =>
      sendPackument(deps, exchange, { name, seen: { visit, isPublic } }),
    )
  }
  if (route.route === 'tarball') {
    const { version = '' } = route
    return deps.activity.track(exchange, { kind: 'tarball', name, version }, (visit) =>
      sendTarball(deps, exchange, { name, version, seen: { visit, isPublic } }),
    )
  }
  if (route.route === 'dist-tags') {
    const { tags } = await deps.networkPackages.list(name, exchange)
    return sendJson(exchange.req, exchange.res, { status: 200, body: Object.fromEntries(tags) })
  }
  const { method, path } = exchange.target
  if (method === 'GET' && path.startsWith(ATTESTATIONS)) {
    return sendAttestations(deps, exchange, name)
  }
  // npm asks before it has a build service sign the name for all to see.
  if (method === 'GET' && /^\/-\/package\/[^?]+\/visibility$/.test(path)) {
    return sendJson(exchange.req, exchange.res, { status: 200, body: { public: isPublic } })
  }
  const change = parseChange(method, path, name)
  // `?write=true`: the document that a client is about to change, and sends back whole.
  if (change === 'read') {
    const listing = await deps.networkPackages.list(name, exchange)
    const body = listingDocumentOf(listing, exchange.base)
    return sendJson(exchange.req, exchange.res, { status: 200, body })
  }
  if (change === undefined) throw notForThese(name)
  return answerChange(deps, options, { exchange, name, change })
}

/** The request, as those see it who ask why an install was slow. */
interface Seen {
  readonly visit: Visit
  readonly isPublic: boolean
}

async function sendPackument(
  { node, networkPackages, sign }: Network,
  exchange: Exchange,
  { name, seen }: { readonly name: string; readonly seen: Seen },
): Promise<void> {
  const { req, res, base } = exchange
  const found = await networkPackages.find(name, exchange)
  noteFirstBytes(seen.visit, seen.isPublic)
  // Whoever is connected is asked for something newer.
  seen.visit.source = node.counts().peers > 0 ? 'peer' : 'store'
  const etag = `W/"${found.revision}"`
  res.setHeader('etag', etag)
  res.setHeader('vary', 'Accept, Host')
  res.setHeader('cache-control', 'no-cache')
  res.setHeader('x-catalog-metadata', 'network')
  if (isNotModified(req, etag)) {
    seen.visit.outcome = 'unchanged'
    res.statusCode = 304
    res.end()
    return
  }
  sendJson(req, res, { status: 200, body: packumentOf(found, { base, sign }) })
}

async function sendTarball(
  { node, networkPackages, counters, ledger, guard, isPrivate }: NetworkAnswers,
  exchange: Exchange,
  {
    name,
    version,
    seen: { visit, isPublic },
  }: { readonly name: string; readonly version: string; readonly seen: Seen },
): Promise<void> {
  const { signal } = exchange
  // Of the guard's rules this one: how old it is, and who signed it, its publisher has said, who is trusted here.
  const malware = malwareDenial(guard.malwareId(name, version))
  if (malware !== undefined) throw deniedError({ name, version }, malware)
  const { digest } = await networkPackages.release({ name, version }, { signal })
  if (guard.isBad(digest)) throw deniedBytes({ name, version })
  visit.locatedMs = performance.now()
  const artifact = await node
    .get(digest, { signal, peers: !isPrivate(name) })
    .catch((error: unknown) => {
      // It has been published: that nobody gives it now does not make it absent.
      const isPassing = isCatalogError(error) && ['absent', 'peer'].includes(error.kind)
      if (!isPassing) throw error
      const what = `${name}@${version}`
      throw isPrivate(name) ? notHere(what) : unanswered(what, error)
    })
  const named = isPublic ? 'public' : 'private'
  const sent = { artifact, name, version, visibility: 'public', named, isUnjudged: true } as const
  await sendNoted({ counters, ledger }, exchange, { sent, visit })
}

/** As `npm audit signatures` asks for them. */
async function sendAttestations(
  { networkPackages }: Network,
  { req, res, target, signal }: Exchange,
  name: string,
): Promise<void> {
  const path = decodeURIComponent(target.path.replace(/\/?(?:\?.*)?$/s, ''))
  const version = path.slice(`${ATTESTATIONS}${name}@`.length)
  const provenance = provenanceOf(await networkPackages.release({ name, version }, { signal }))
  if (provenance === undefined) {
    throw new CatalogError('NOT_FOUND', `${name}@${version} has no provenance of these bytes`)
  }
  const { predicateType, bundle } = provenance
  sendJson(req, res, { status: 200, body: { attestations: [{ predicateType, bundle }] } })
}

function notForThese(name: string): CatalogError {
  return new CatalogError('INVALID_OPTIONS', `${name} is a package of the network: no such call`, {
    status: 405,
    hint: OWNERS_HINT,
  })
}
