/**
 * The state of gateway and node as the dashboard shows it, as much of it as who looks may see: a stranger gets numbers, nothing
 * of where this machine and its peers are, and no package's name.
 */
import type { Activity } from '../activity/activity.ts'
import { gatewayStatsFor, type Viewer } from '../admin/viewer.ts'
import type { Guard } from '../guard/guard.ts'
import { guardSection } from './guard-section.ts'
import { installSection, type NameRules } from './install-section.ts'
import { findProblems } from './problems.ts'
import { publicationsSection, type PublicationSources } from './publications-section.ts'
import type { Snapshot, StoreSection, TotalsSection } from './snapshot.ts'
import { swarmSection } from './swarm-section.ts'

export interface SectionSources extends PublicationSources {
  readonly activity: Activity
  readonly guard: Pick<Guard, 'status'>
  readonly names: NameRules
  /** When the gateway began. */
  readonly sinceMs: number
}

export function sectionsFor(sources: SectionSources, viewer: Viewer): Snapshot {
  const stats = sources.node.stats()
  const problems = { node: stats, gateway: sources.stats(), guard: sources.guard.status() }
  return {
    totals: totalsSection(sources, viewer),
    problems: findProblems(problems, viewer),
    install: installSection(sources, viewer),
    traffic: sources.activity.traffic.read(),
    swarm: swarmSection(sources.node, stats, viewer),
    store: storeSection(stats.store),
    publications: publicationsSection(sources, viewer),
    guard: guardSection(sources, viewer),
  }
}

function totalsSection({ node, stats, sinceMs }: SectionSources, viewer: Viewer): TotalsSection {
  const { tarballs, packuments, upstream, temporary, ...rest } = gatewayStatsFor(stats(), viewer)
  const { upstreamRequests, upstreamFailures, upstreamBytes } = rest
  const { uploaded } = node.stats()
  return {
    ...{ viewer, sinceMs, upstream, temporary, tarballs, packuments, uploaded },
    ...{ upstreamRequests, upstreamFailures, upstreamBytes },
  }
}

function storeSection(store: StoreSection): StoreSection {
  const { artifacts, bytes, partialBytes, quotaBytes, pinned, writable } = store
  return { artifacts, bytes, partialBytes, quotaBytes, pinned, writable }
}
