/**
 * GET and HEAD of /-/catalog/share/HASH/NAME/-/FILE: a package that somebody shares, for every client that installs a tarball by its
 * address. What is not public here nobody gets, and no registry is asked.
 */
import type { Visit } from '../activity/visit.ts'
import type { Artifacts } from '../artifacts/artifacts.ts'
import { sendNoted, type LedgerOf } from '../artifacts/sending/send-noted.ts'
import type { Counters } from '../http/counters.ts'
import type { Exchange } from '../http/exchange.ts'
import type { SharedRoute } from '../http/route.ts'
import { digestOfRoute } from './share-address.ts'

export async function answerShared(
  deps: {
    readonly artifacts: Pick<Artifacts, 'getShared'>
    readonly counters: Counters
    readonly ledger: LedgerOf
  },
  exchange: Exchange,
  { route, visit }: { readonly route: SharedRoute; readonly visit: Visit },
): Promise<void> {
  const { req, res, signal, giveUp } = exchange
  const { name, version, file } = route.tarball
  const digest = digestOfRoute(route)
  try {
    const artifact = await deps.artifacts.getShared({ digest, name, version, signal })
    const sent = { artifact, name, version: version ?? file, isUnjudged: true } as const
    await sendNoted(deps, exchange, { sent: { ...sent, visibility: 'public' }, visit })
  } finally {
    // Gives up what nobody read (HEAD, 304, a failure); harmless when all was sent.
    if (req.method === 'HEAD' || res.statusCode !== 200 || !res.writableEnded) giveUp()
  }
}
