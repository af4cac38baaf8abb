/** One request being answered: what every handler gets. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { credentialsOf, type Credentials } from './credentials.ts'

export interface Exchange {
  readonly req: IncomingMessage
  readonly res: ServerResponse
  /** Aborted when the client goes away before the answer is complete. */
  readonly signal: AbortSignal
  /** Aborts it: the answer is given and what is still under way for it is not needed. */
  readonly giveUp: () => void
  /** This gateway as the client spelled it: scheme, host, mount path; no trailing slash. */
  readonly base: string
  /** The client asks by upstream's own paths and must see upstream's own tarball URLs (`catalog exec` with npm). */
  readonly asUpstream: boolean
}

/** What the client sent in Authorization, if anything. */
export function clientCredentials(req: IncomingMessage): Credentials | undefined {
  const { authorization } = req.headers
  return authorization === undefined || authorization === ''
    ? undefined
    : credentialsOf(authorization)
}
