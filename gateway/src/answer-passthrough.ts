/**
 * Registry calls that are about no metadata and no tarball: accounts, searches, audits, publishing. What this gateway answers itself is
 * answered; everything else goes to its registry, as the client sent it.
 */
import type { Logger } from '@catalog-p2p/core'
import { redirectToPage, wantsPage } from './dashboard/answer-page.ts'
import { readAuditHints } from './hints/audit-hints.ts'
import type { PublishWords } from './http/api-errors.ts'
import type { Exchange } from './http/exchange.ts'
import type { PassthroughRoute } from './http/route.ts'
import type { ParsedGatewayOptions } from './options.ts'
import type { Parts } from './parts/parts.ts'
import { answerLogin } from './publishing/answer-login.ts'
import { publishWords } from './publishing/publish-words.ts'
import { isBulkAudit } from './registry-api/audit-body.ts'
import { admitRead, isGuardedRead } from './registry-api/guarded-read.ts'
import { noteWrite } from './registry-api/own-writes.ts'
import { passThrough, type PassthroughOptions } from './registry-api/passthrough.ts'
import { answerClientSearch, isClientSearch } from './search/answer-search.ts'

export interface PassthroughContext extends Parts {
  readonly log: Logger
  readonly options: ParsedGatewayOptions
  readonly passing: PassthroughOptions
  /** The client has shown this gateway's token. */
  readonly isOwner: boolean
}

export async function answerPassthrough(
  context: PassthroughContext,
  exchange: Exchange,
  route: PassthroughRoute,
): Promise<void> {
  const { options, passing, isOwner, registries, hints, network } = context
  const { target } = exchange
  if (wantsPage(exchange)) return redirectToPage(exchange)
  if (registries.main === null) {
    const { publishToken: token } = options
    if (await answerLogin(exchange, { isOwner, token, logins: network.logins })) return
  }
  if (isClientSearch(target)) return answerClientSearch(context, passing, exchange)
  if (options.hints && isBulkAudit(target.method, target.path)) {
    void readAuditHints(exchange.req, options.maxHints).then((list) => hints.offer(list))
  }
  return pass(context, exchange, route)
}

async function pass(
  context: PassthroughContext,
  exchange: Exchange,
  { name, scope }: PassthroughRoute,
): Promise<void> {
  const { guard, artifacts, passing } = context
  // Without a turn of the event loop for a body that is flowing already: what has a body is no read.
  if (isGuardedRead(guard, exchange, name)) {
    await admitRead({ ...context, admit: (read) => artifacts.admit(read) }, exchange, name)
  }
  const { method, path: url } = exchange.target
  const onSettled = (): void => noteWrite(context, { method, url, name })
  const finding = wordsFor(context, exchange, name)
  const words = finding && (await finding)
  const asked = { exchange, name, scope, onSettled, ...(words && { words }) }
  return passThrough(context, passing, asked)
}

function wordsFor(
  { network, registries }: PassthroughContext,
  { target }: Exchange,
  name: string | undefined,
): Promise<PublishWords | undefined> | undefined {
  // A body that is flowing already is waited for only where it is a publication's, which is read as it comes.
  if (target.method !== 'PUT' || name === undefined) return undefined
  return publishWords(network, target, { name, registry: registries.homeOf(name).url })
}
