/**
 * GET /-/catalog/ready: whether clients may be sent here now. 200 while the gateway serves, with or without problems; 503 with
 * the reason before that and while it stops. Never asks anything of the network.
 */
import { CatalogError } from '@catalog-p2p/core'
import type { Exchange } from '../http/exchange.ts'
import { sendJson } from '../http/respond.ts'
import { requireMethod } from './require-method.ts'
import { viewerOf, type Viewer } from './viewer.ts'

/** Where the gateway is between its start and its stop. */
export type Phase = 'stopped' | 'starting' | 'serving' | 'stopping'

export interface ReadySources {
  readonly phase: Phase
  /** Those that this viewer may see; the owner sees all. */
  readonly problems: (viewer: Viewer) => readonly object[]
}

const REASONS: Readonly<Record<Exclude<Phase, 'serving'>, string>> = {
  stopped: 'the gateway is not running',
  starting: 'the gateway is starting',
  stopping: 'the gateway is stopping: it finishes the answers under way',
}

export function notServing(phase: Phase): CatalogError {
  const reason = REASONS[phase === 'serving' ? 'stopped' : phase]
  return new CatalogError('NODE_STOPPED', reason, { retryAfter: '1' })
}

/** @throws CatalogError NODE_STOPPED, INVALID_OPTIONS for another method */
export function answerReady(
  { phase, problems }: ReadySources,
  { req, res }: Exchange,
  token: string | undefined,
): void {
  requireMethod(req.method, ['GET', 'HEAD'])
  if (phase !== 'serving') throw notServing(phase)
  const viewer = viewerOf(req, token)
  const all = problems('owner')
  const status = all.length > 0 ? 'degraded' : 'ready'
  const shown =
    viewer === 'stranger' ? {} : { problems: viewer === 'owner' ? all : problems(viewer) }
  sendJson(req, res, { status: 200, body: { status, ...shown } })
}
