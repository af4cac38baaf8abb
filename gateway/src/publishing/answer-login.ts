/**
 * `npm login` and `npm whoami` where no registry is behind this gateway: the password is the gateway's own token, and so is the token
 * that npm keeps. https://github.com/npm/cli/tree/latest/workspaces (npm-profile)
 */
import { z } from 'zod'
import { CatalogError } from '@catalog-p2p/core'
import type { Exchange } from '../http/exchange.ts'
import { isToken } from '../http/is-token.ts'
import { parseBody, readJson } from '../http/json-body.ts'
import { sendJson } from '../http/respond.ts'

const MAX_BODY_BYTES = 16 * 1024
const schema = z.looseObject({ name: z.string(), password: z.string().max(1_000) })
/** Whoever holds the token is the owner of this gateway; there are no other users. */
const USER = 'catalog'

/** Whether it was such a call; then it has been answered. */
export async function answerLogin(
  exchange: Exchange,
  options: { readonly isOwner: boolean; readonly token: string | undefined },
): Promise<boolean> {
  const { req, res, target } = exchange
  const { isOwner, token } = options
  if (target.method === 'GET' && target.path === '/-/whoami' && isOwner) {
    sendJson(req, res, { status: 200, body: { username: USER } })
    return true
  }
  const isLogin = target.method === 'PUT' && target.path.startsWith('/-/user/org.couchdb.user:')
  if (!isLogin || token === undefined) return false
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
