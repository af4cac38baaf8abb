/**
 * What clients ask for and get, of late: the last requests for packages, the installs they belong to, what the guard refused.
 * For people who look, and for "why was that slow". A few assignments on the hot path, bounded memory, nothing on disk: names of
 * private packages are in it, and are gone with the process.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { isCatalogError } from '@catalog-p2p/core'
import { InstallLog, type Install } from './install-log.ts'
import { TrafficHistory } from './traffic-history.ts'
import type { Visit, VisitRequest } from './visit.ts'

export interface Refusal {
  readonly visit: Visit
  /** Since 1970, milliseconds. */
  readonly atMs: number
  readonly message: string
  readonly hint: string | undefined
}

/** What of an exchange matters here. */
export interface TrackedExchange {
  readonly req: { readonly headers: IncomingHttpHeaders }
  readonly res: { readonly destroyed: boolean }
}

/** An install of three thousand packages, metadata included. */
const MAX_VISITS = 8192
const MAX_REFUSALS = 50

export class Activity {
  readonly installs = new InstallLog()
  readonly traffic = new TrafficHistory()
  /** The oldest first. */
  readonly refusals: Refusal[] = []
  /** Told of every request that has ended. */
  onEnd: ((visit: Visit) => void) | undefined
  readonly #visits: Visit[] = []
  #count = 0
  #changes = 0

  /** Another number after every change. */
  get changes(): number {
    return this.#changes
  }

  /** Runs the answer to a request, which fills in the visit as it goes. Throws what that throws. */
  async track(
    { req, res }: TrackedExchange,
    request: VisitRequest,
    answer: (visit: Visit) => Promise<void>,
  ): Promise<void> {
    const visit = this.#begin(req.headers, request)
    try {
      await answer(visit)
      if (visit.outcome === 'running') visit.outcome = 'done'
    } catch (error) {
      if (res.destroyed) visit.outcome = 'gone'
      else this.#fail(visit, error)
      throw error
    } finally {
      this.#end(visit)
    }
  }

  /** Those of one install that are still known, the oldest first. */
  visitsOf(install: Install): Visit[] {
    const found: Visit[] = []
    const oldest = Math.max(0, this.#count - MAX_VISITS)
    for (let number = oldest; number < this.#count; number += 1) {
      const visit = this.#visits[number % MAX_VISITS]
      if (visit?.install === install) found.push(visit)
    }
    return found
  }

  #begin(headers: IncomingHttpHeaders, { kind, name, version }: VisitRequest): Visit {
    const startedMs = performance.now()
    const install = this.installs.of(headers, startedMs)
    install.running += 1
    install.lastMs = startedMs
    if (kind === 'tarball') install.tarballRequests += 1
    else install.metadataRequests += 1
    const visit = newVisit({ kind, name, version }, { install, startedMs, number: this.#count })
    this.#visits[this.#count % MAX_VISITS] = visit
    this.#count += 1
    this.#changes += 1
    return visit
  }

  #fail(visit: Visit, error: unknown): void {
    if (!isCatalogError(error)) {
      visit.outcome = 'failed'
      return
    }
    visit.code = error.code
    visit.outcome = error.code === 'DENIED' ? 'denied' : 'failed'
    if (visit.outcome !== 'denied') return
    if (this.refusals.length >= MAX_REFUSALS) this.refusals.shift()
    const { message, hint } = error
    this.refusals.push({ visit, atMs: Date.now(), message, hint })
  }

  #end(visit: Visit): void {
    const { install, source, bytes, outcome } = visit
    const endMs = performance.now()
    visit.endMs = endMs
    install.running -= 1
    install.lastMs = endMs
    if (outcome === 'denied') install.denied += 1
    if (outcome === 'failed') install.failed += 1
    if (source !== undefined && outcome === 'done' && visit.kind === 'tarball') {
      install.tarballs[source].artifacts += 1
      install.tarballs[source].bytes += bytes
      this.traffic.add(source, bytes, performance.timeOrigin + endMs)
    }
    this.#changes += 1
    this.onEnd?.(visit)
  }
}

/** One literal, with all of its fields at once: it is made for every request. */
function newVisit(
  { kind, name, version }: VisitRequest,
  { install, startedMs, number }: Pick<Visit, 'install' | 'startedMs' | 'number'>,
): Visit {
  return {
    kind,
    name,
    version,
    install,
    startedMs,
    number,
    locatedMs: undefined,
    firstMs: undefined,
    endMs: undefined,
    bytes: 0,
    source: undefined,
    isPublic: undefined,
    course: undefined,
    isAhead: false,
    outcome: 'running',
    code: undefined,
  }
}
