/** One request being answered: what every handler gets. */
import type { IncomingMessage, ServerResponse } from 'node:http'

export interface Exchange {
  readonly req: IncomingMessage
  readonly res: ServerResponse
  /** Aborted when the client goes away before the answer is complete. */
  readonly signal: AbortSignal
  /** Aborts it: the answer is given and what is still under way for it is not needed. */
  readonly giveUp: () => void
  /** This gateway as the client spelled it: scheme, host, mount path; no trailing slash. */
  readonly base: string
  /** That is one of the few spellings that clients are told to use; what depends on any other is not worth keeping. */
  readonly isOwnBase: boolean
  /** The client asks by upstream's own paths and must see upstream's own tarball URLs (`catalog exec` with npm). */
  readonly asUpstream: boolean
  /** The client asks at the place of this scope (with its `@`, in lower case): for its registry, and nothing else. */
  readonly scope: string | undefined
  /** The client wants no registry to hear of this request. */
  readonly upstream?: 'never' | undefined
}
