/**
 * Tokens that write build results for as long as one command runs: each is good until the connection over which `catalog exec` got it
 * ends, however that ends. So whatever a script has kept of a command's variables is good for nothing afterwards. In memory alone, in
 * bounded number. Says nothing about who may have one: the admin route does.
 */
import { randomBytes } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { CatalogError } from '@catalog-p2p/core'

/** Of the answer that brings one. */
export const RUN_TOKEN_HEADER = 'x-catalog-build-token'

/** Commands at once, each of which keeps a connection. */
const MAX_HELD = 64

export class RunTokens {
  readonly #held = new Map<string, ServerResponse>()
  #isClosed = false

  /** Answers with one, and does not end the answer. @throws CatalogError DENIED with status 503 */
  hold(res: ServerResponse): void {
    if (this.#isClosed || this.#held.size >= MAX_HELD) {
      throw new CatalogError('DENIED', `more than ${MAX_HELD} commands write build results`, {
        ...{ status: 503, hint: 'wait until some of them have ended' },
      })
    }
    if (res.closed) return
    const token = `catalog_${randomBytes(32).toString('base64url')}`
    this.#held.set(token, res)
    res.once('close', () => this.#held.delete(token))
    res.setHeader(RUN_TOKEN_HEADER, token)
    res.setHeader('cache-control', 'no-store')
    res.flushHeaders()
  }

  /** Those that are good now. */
  all(): Iterable<string> {
    return this.#held.keys()
  }

  /** Ends all of them: a gateway that stops does not wait for commands that go on. */
  close(): void {
    this.#isClosed = true
    for (const res of [...this.#held.values()]) res.end()
    this.#held.clear()
  }
}
