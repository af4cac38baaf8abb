/** One request being answered: what every handler gets. Handlers take the path from `target`, never from `req`. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { RequestTarget } from './request-target.ts'

export interface Exchange {
  readonly req: IncomingMessage
  readonly res: ServerResponse
  readonly target: RequestTarget
  /** Aborted when the client goes away before the answer is complete. */
  readonly signal: AbortSignal
  /** Aborts it: the answer is given and what is still under way for it is not needed. */
  readonly giveUp: () => void
  /** This gateway as the client spelled it: scheme, host, mount; no trailing slash. */
  readonly base: string
  /** That is one of the few spellings that clients are told to use; what depends on any other is not worth keeping. */
  readonly isOwnBase: boolean
  /** No registry may hear of this request. */
  readonly upstream?: 'never' | undefined
}
