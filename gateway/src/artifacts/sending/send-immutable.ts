/** What never changes under its address: an artifact, or that the client has it already. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Artifact } from '@catalog-p2p/core'
import { isNotModified } from '../../http/respond.ts'
import type { Visibility } from '../../packuments/cache/cached-document.ts'
import { sendArtifact } from './send-artifact.ts'

const YEAR_S = 31_536_000

/** Resolves to the bytes sent. Rejects as `sendArtifact` does. */
export async function sendImmutable(
  req: IncomingMessage,
  res: ServerResponse,
  { artifact, visibility }: { readonly artifact: Artifact; readonly visibility: Visibility },
): Promise<number | 'unchanged'> {
  const etag = `"${artifact.digest}"`
  const headers = [
    ...['etag', etag, 'cache-control', `${visibility}, max-age=${YEAR_S}, immutable`],
    ...['x-catalog-source', artifact.source],
  ]
  if (isNotModified(req, etag)) {
    res.writeHead(304, headers).end()
    return 'unchanged'
  }
  headers.push('content-type', 'application/octet-stream', 'accept-ranges', 'bytes')
  return await sendArtifact({ req, res, headers }, artifact)
}

/** As the ledger names a client: `npm/11.0.0`. */
export function agentOf({ headers }: Pick<IncomingMessage, 'headers'>): string {
  const agent = headers['user-agent'] ?? ''
  const space = agent.indexOf(' ')
  return space === -1 ? agent : agent.slice(0, space)
}
