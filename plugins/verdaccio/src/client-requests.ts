/**
 * The middleware in front of Verdaccio's routes: records who asks for a tarball and by which digest, and repairs two faults of
 * Verdaccio's answers. An error after the first byte ends the connection (Verdaccio would leave the client waiting), and a slow
 * client slows its source down (Verdaccio would keep the rest of the tarball in memory).
 */
import type { Contexts } from './request-context.ts'
import type { Handler, VerdaccioResponse } from './verdaccio.ts'

const DIGEST = /(?:^|\s)(sha512-[A-Za-z0-9+/]{86}==)(?:[\s?]|$)/
const MAX_HEADER_LENGTH = 1024

export function createClientHandler(
  contexts: Contexts,
  onRequest: (req: Parameters<Handler>[0]) => void,
): Handler {
  return (req, res, next) => {
    onRequest(req)
    const isTarball = req.method === 'GET' && /\/-\/.+\.tgz$/i.test(req.path)
    if (!isTarball) return next()
    endOnError(res)
    addBackpressure(res)
    const gone = new AbortController()
    res.once('close', () => {
      if (!res.writableFinished) gone.abort(new Error('the client has gone'))
    })
    const header = req.headers['pacote-integrity']
    const text = typeof header === 'string' ? header.slice(0, MAX_HEADER_LENGTH) : ''
    const client = {
      digest: DIGEST.exec(text)?.[1],
      isDaemon: /^catalog-p2p\b/.test(req.headers['user-agent'] ?? ''),
      gone: gone.signal,
    }
    contexts.clients.run(client, () => next())
  }
}

function endOnError(res: VerdaccioResponse): void {
  const report = res.locals.report_error
  if (report === undefined) return
  res.locals.report_error = (error) => {
    if (res.headersSent) res.destroy()
    else report(error)
  }
}

// Verdaccio's logger replaces `write` by one that returns nothing, which a pipe takes for "go on".
function addBackpressure(res: VerdaccioResponse): void {
  const write = res.write.bind(res) as (...args: unknown[]) => unknown
  res.write = (...args: unknown[]): boolean => {
    write(...args)
    return !res.writableNeedDrain
  }
}
