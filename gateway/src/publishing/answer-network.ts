/**
 * Registry calls about a package of the network, answered from what its publishers have signed: reads for everybody, changes for who
 * holds this gateway's token. No registry hears of any of them.
 */
import { CatalogError, isCatalogError } from '@catalog-p2p/core'
import { sendImmutable } from '../artifacts/send-immutable.ts'
import type { Exchange } from '../http/exchange.ts'
import { isNotModified, sendJson } from '../http/respond.ts'
import type { Route } from '../http/route.ts'
import { unanswered } from '../trust/find-heads.ts'
import { answerChange } from './answer-change.ts'
import { parseChange } from './change-request.ts'
import { packumentOf } from './network-packument.ts'
import { OWNERS_HINT } from './owners-hint.ts'
import type { Network } from './network.ts'

/** @param options `isOwner`: the client has shown this gateway's token */
export async function answerNetwork(
  deps: Network,
  options: { readonly isOwner: boolean; readonly maxUploadBytes: number },
  { exchange, route, name }: { exchange: Exchange; route: Route; name: string },
): Promise<void> {
  if (route.route === 'packument') return sendPackument(deps, exchange, name)
  if (route.route === 'tarball') {
    return sendTarball(deps, exchange, { name, version: route.version })
  }
  if (route.route === 'dist-tags') {
    const { tags } = await deps.networkPackages.find(name, exchange)
    return sendJson(exchange.req, exchange.res, { status: 200, body: Object.fromEntries(tags) })
  }
  const { method, path } = exchange.target
  const change = parseChange(method, path, name)
  // `?write=true`: the document that a client is about to change.
  if (change === 'read') return sendPackument(deps, exchange, name)
  if (change === undefined) throw notForThese(name)
  return answerChange(deps, options, { exchange, name, change })
}

async function sendPackument(
  { networkPackages, sign }: Network,
  exchange: Exchange,
  name: string,
): Promise<void> {
  const { req, res, base } = exchange
  const found = await networkPackages.find(name, exchange)
  const etag = `W/"${found.revision}"`
  res.setHeader('etag', etag)
  res.setHeader('vary', 'Accept, Host')
  res.setHeader('cache-control', 'no-cache')
  res.setHeader('x-catalog-metadata', 'network')
  if (isNotModified(req, etag)) {
    res.statusCode = 304
    res.end()
    return
  }
  sendJson(req, res, { status: 200, body: packumentOf(found, { base, sign }) })
}

async function sendTarball(
  { node, networkPackages }: Network,
  { req, res, signal }: Exchange,
  { name, version }: { readonly name: string; readonly version: string | undefined },
): Promise<void> {
  const { digest } = await networkPackages.release({ name, version: version ?? '' }, { signal })
  const artifact = await node.get(digest, { signal }).catch((error: unknown) => {
    // It has been published: that nobody gives it now does not make it absent.
    const isPassing = isCatalogError(error) && ['absent', 'peer'].includes(error.kind)
    throw isPassing ? unanswered(`${name}@${version ?? ''}`, error) : error
  })
  await sendImmutable(req, res, { artifact, visibility: 'public' })
}

function notForThese(name: string): CatalogError {
  return new CatalogError('INVALID_OPTIONS', `${name} is a package of the network: no such call`, {
    status: 405,
    hint: OWNERS_HINT,
  })
}
