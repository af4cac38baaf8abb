/**
 * GET and HEAD of /-/catalog/share/HASH/NAME/-/FILE: a package that somebody shares, for every client that installs a tarball by its
 * address. What is not public here nobody gets, and no registry is asked.
 */
import type { Visit } from '../activity/visit.ts'
import { noteFirstBytes } from '../activity/visit.ts'
import type { LedgerOf } from '../artifacts/answer-tarball.ts'
import type { Artifacts } from '../artifacts/artifacts.ts'
import { sendArtifact } from '../artifacts/send-artifact.ts'
import type { Counters } from '../http/counters.ts'
import type { Exchange } from '../http/exchange.ts'
import { isNotModified } from '../http/respond.ts'
import type { SharedRoute } from '../http/route.ts'
import { digestOfRoute } from './share-address.ts'

const YEAR_S = 31_536_000

export async function answerShared(
  deps: {
    readonly artifacts: Pick<Artifacts, 'getShared'>
    readonly counters: Counters
    readonly ledger: LedgerOf
    readonly visit: Visit
  },
  exchange: Exchange,
  route: SharedRoute,
): Promise<void> {
  const { req, res, signal, giveUp } = exchange
  const { name, version, file } = route.tarball
  const { visit, counters } = deps
  const digest = digestOfRoute(route)
  try {
    const artifact = await deps.artifacts.getShared({ digest, name, version, signal })
    noteFirstBytes(visit, true)
    visit.course = artifact.course
    const etag = `"${digest}"`
    res.setHeader('etag', etag)
    res.setHeader('cache-control', `public, max-age=${YEAR_S}, immutable`)
    res.setHeader('x-catalog-source', artifact.source)
    if (isNotModified(req, etag)) {
      res.statusCode = 304
      res.end()
      visit.outcome = 'unchanged'
      return
    }
    res.setHeader('content-type', 'application/octet-stream')
    res.setHeader('accept-ranges', 'bytes')
    const bytes = await sendArtifact(req, res, artifact)
    counters.tarball(artifact.source, bytes)
    visit.source = artifact.source
    visit.bytes = bytes
    if (req.method === 'HEAD') return
    const client = req.headers['user-agent']?.split(' ', 1)[0] ?? ''
    const served = { name, version: version ?? file, digest, client }
    deps.ledger('public').note(served, { isByHash: true })
  } finally {
    // Gives up what nobody read (HEAD, 304, a failure); harmless when all was sent.
    if (req.method === 'HEAD' || res.statusCode !== 200 || !res.writableEnded) giveUp()
  }
}
