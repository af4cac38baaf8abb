/** GET /-/catalog/explain: why the last install took as long as it did, as much of it as who asks may see. */
import { CatalogError } from '@catalog-p2p/core'
import type { Viewer } from '../admin/viewer.ts'
import type { Exchange } from '../http/exchange.ts'
import { sendJson } from '../http/respond.ts'
import { explainInstall, type InstallSources } from './install-section.ts'

export function answerExplain(
  sources: InstallSources,
  { req, res }: Exchange,
  viewer: Viewer,
): void {
  if (req.method !== 'GET' && req.method !== 'HEAD') {
    throw new CatalogError('INVALID_OPTIONS', 'only GET and HEAD here', { status: 405 })
  }
  const install = sources.activity.installs.latest()
  const explanation = install === undefined ? null : explainInstall(sources, install, viewer)
  sendJson(req, res, { status: 200, body: { explanation } })
}
