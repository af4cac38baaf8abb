/** The install that runs now, or the last one: as much of the waterfall as fits a page, and as many names as its viewer may see. */
import type { CatalogNode } from '@catalog-p2p/core'
import type { Activity } from '../activity/activity.ts'
import { explain } from '../activity/explain.ts'
import type { Explanation } from '../activity/explanation.ts'
import type { Install } from '../activity/install-log.ts'
import type { Visit } from '../activity/visit.ts'
import type { Viewer } from '../admin/viewer.ts'
import { mostTelling } from './page/row-order.ts'
import type { InstallRow, InstallSection } from './snapshot.ts'

export interface NameRules {
  /** Whether everything of that name is public, as far as is known without asking. */
  readonly isKnownPublic: (name: string) => boolean
}

const MAX_ROWS = 80
/** An install without a request for so long is over, as far as a page can tell. */
const QUIET_MS = 2_000

export interface InstallSources {
  readonly activity: Activity
  readonly names: NameRules
  readonly node: Pick<CatalogNode, 'stats'>
}

/** Of installs that are over, until something else is asked for. */
const finished = new WeakMap<Install, Map<Viewer, { changes: number; section: InstallSection }>>()

export function installSection(sources: InstallSources, viewer: Viewer): InstallSection | null {
  const install = sources.activity.installs.latest()
  if (install === undefined) return null
  const { changes } = sources.activity
  const byViewer =
    finished.get(install) ?? new Map<Viewer, { changes: number; section: InstallSection }>()
  const known = byViewer.get(viewer)
  if (known?.changes === changes) return known.section
  const section = makeSection(sources, install, viewer)
  if (section.tookMs !== null) finished.set(install, byViewer.set(viewer, { changes, section }))
  return section
}

function makeSection(sources: InstallSources, install: Install, viewer: Viewer): InstallSection {
  const { activity, names } = sources
  const nowMs = performance.now()
  const isOver = install.running === 0 && nowMs - install.lastMs > QUIET_MS
  const { number, client, startedMs, tarballs, tarballRequests, metadataRequests } = install
  const { running, denied, failed } = install
  const isStranger = viewer === 'stranger'
  const { shown, others } = mostOf(activity.visitsOf(install), nowMs)
  return {
    ...{ number, tarballs, tarballRequests, metadataRequests, running, denied, failed, others },
    client: isStranger ? null : client,
    startedMs: Math.round(performance.timeOrigin + startedMs),
    tookMs: isOver ? round(install.lastMs - startedMs) : null,
    explanation: isOver ? explainInstall(sources, install, viewer) : null,
    rows: isStranger
      ? null
      : shown.map((visit) => rowOf(visit, install, maySee(visit, viewer, names))),
  }
}

/** Why it took as long as it did; names as in the rows. */
export function explainInstall(
  { activity, names, node }: InstallSources,
  install: Install,
  viewer: Viewer,
): Explanation {
  const { peers, store } = node.stats()
  return explain({
    ...{ install, peers, visits: activity.visitsOf(install), nowMs: performance.now() },
    isStoreWritable: store.writable,
    maySee: (visit) => maySee(visit, viewer, names),
    showsClient: viewer !== 'stranger',
  })
}

/** A package's name is for its owner, and for programs of this machine where it is public. */
export function maySee(visit: Visit, viewer: Viewer, { isKnownPublic }: NameRules): boolean {
  if (viewer === 'owner') return true
  return viewer === 'neighbour' && (visit.isPublic ?? isKnownPublic(visit.name))
}

function mostOf(
  visits: readonly Visit[],
  nowMs: number,
): { shown: Visit[]; others: InstallSection['others'] } {
  const tookMs = (visit: Visit): number => (visit.endMs ?? nowMs) - visit.startedMs
  const { shown, next } = mostTelling(visits, tookMs, MAX_ROWS)
  return {
    shown,
    others: {
      count: visits.length - shown.length,
      longestMs: next === undefined ? 0 : round(tookMs(next)),
    },
  }
}

function rowOf(visit: Visit, { startedMs }: Install, isNamed: boolean): InstallRow {
  const { number, kind, name, version, bytes, source, outcome, course, isAhead } = visit
  const since = (ms: number | undefined): number | null =>
    ms === undefined ? null : round(ms - visit.startedMs)
  return {
    ...{ number, kind, bytes, outcome, isAhead, source: source ?? null },
    name: isNamed ? name : null,
    version: isNamed ? (version ?? null) : null,
    at: round(visit.startedMs - startedMs),
    located: since(visit.locatedMs),
    wait: since(visit.firstMs),
    total: since(visit.endMs),
    givers: source === 'peer' ? (course?.givers ?? []) : [],
    late: course?.late ?? 0,
  }
}

/** To a tenth of a millisecond: more digits would only be sent. */
function round(ms: number): number {
  return Math.round(ms * 10) / 10
}
