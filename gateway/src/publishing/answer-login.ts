/**
 * `npm login`, `logout` and `whoami` where no registry is behind this gateway: the password is the gateway's own token, and so is the
 * token that npm keeps. There are no users, and who asks for one is told who may publish instead. https://github.com/npm/cli/tree/latest/workspaces (npm-profile)
 */
import { z } from 'zod'
import { CatalogError } from '@catalog-p2p/core'
import type { Exchange } from '../http/exchange.ts'
import { isToken } from '../http/is-token.ts'
import { parseBody, readJson } from '../http/json-body.ts'
import { sendJson } from '../http/respond.ts'
import { OWNERS_HINT } from './owners-hint.ts'
import { beginWebLogin } from './answer-web-login.ts'
import type { WebLogins } from './web-logins.ts'

const MAX_BODY_BYTES = 16 * 1024
const schema = z.looseObject({ name: z.string(), password: z.string().max(1_000) })
/** Whoever holds the token is the owner of this gateway; there are no other users. */
const USER = 'catalog'
const USER_PATH = '/-/user/org.couchdb.user:'

/** Whether it was such a call; then it has been answered. */
export async function answerLogin(
  exchange: Exchange,
  options: {
    readonly isOwner: boolean
    readonly token: string | undefined
    readonly logins: WebLogins
  },
): Promise<boolean> {
  const { req, res, target } = exchange
  const { isOwner, token, logins } = options
  const { method, path } = target
  const isOf = (one: string, prefix: string): boolean => method === one && path.startsWith(prefix)
  if (method === 'GET' && path === '/-/whoami' && isOwner) {
    sendJson(req, res, { status: 200, body: { username: USER } })
    return true
  }
  // The client forgets its token then; here it stays what it is.
  if (isOf('DELETE', '/-/user/token/') && isOwner) {
    sendJson(req, res, { status: 200, body: { ok: true } })
    return true
  }
  if (isOf('GET', USER_PATH)) throw noUsers()
  if (token === undefined) return false
  if (method === 'POST' && path === '/-/v1/login') {
    beginWebLogin(logins, exchange)
    return true
  }
  if (!isOf('PUT', USER_PATH)) return false
  const { name, password } = parseBody(schema, await readJson(exchange, MAX_BODY_BYTES))
  if (!isToken(token, password)) {
    throw new CatalogError('DENIED', 'that is not the token of this gateway', {
      status: 401,
      hint: 'the password is what "catalog token" prints; any name will do',
    })
  }
  sendJson(req, res, { status: 201, body: { ok: true, id: `org.couchdb.user:${name}`, token } })
  return true
}

/** `npm owner` asks for the user before it asks for the package. */
function noUsers(): CatalogError {
  return new CatalogError('INVALID_OPTIONS', 'there are no users here, only keys', {
    status: 405,
    hint: OWNERS_HINT,
  })
}
