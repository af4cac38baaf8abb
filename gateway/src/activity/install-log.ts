/**
 * Which requests are one install: those that one run of npm names so (npm-session), and else those of one client that come
 * without a pause. Counts each by where its packages came from. Bounded; knows no package.
 */
import type { IncomingHttpHeaders } from 'node:http'
import type { ArtifactSource } from '@catalog-p2p/core'

export interface Install {
  readonly number: number
  /** As `npm/11.6.0`. */
  readonly client: string
  readonly startedMs: number
  /** Of its last request: begun or ended. */
  lastMs: number
  running: number
  readonly tarballs: Record<ArtifactSource, { artifacts: number; bytes: number }>
  tarballRequests: number
  metadataRequests: number
  denied: number
  failed: number
}

/** A client that asks for nothing this long has finished, or compiles something. */
export const PAUSE_MS = 10_000
/** With a session's name a later request may still be of it. */
const SESSION_PAUSE_MS = 600_000
const MAX_INSTALLS = 32
const SESSION = /^[\w-]{8,64}$/
const AGENT = /^[\w@.+~-]{1,40}(?:\/[\w.+~-]{1,40})?/

export class InstallLog {
  /** By session or client; the one with the oldest request first. */
  readonly #installs = new Map<string, Install>()
  /** Of the last request. */
  #lastKey = ''
  #lastAgent = { text: '', client: clientOf() }
  #count = 0

  /** The install that a request belongs to. */
  of(headers: IncomingHttpHeaders, nowMs: number): Install {
    const agent = headers['user-agent'] ?? ''
    if (agent !== this.#lastAgent.text) this.#lastAgent = { text: agent, client: clientOf(agent) }
    const { client } = this.#lastAgent
    const session = headers['npm-session']
    const isNamed = typeof session === 'string' && SESSION.test(session)
    const key = isNamed ? `session ${session}` : client
    const known = this.#installs.get(key)
    const pauseMs = isNamed ? SESSION_PAUSE_MS : PAUSE_MS
    const isSame = known !== undefined && (known.running > 0 || nowMs - known.lastMs < pauseMs)
    if (isSame && key === this.#lastKey) return known
    this.#installs.delete(key)
    const install = isSame ? known : this.#begin(client, nowMs)
    this.#installs.set(key, install)
    this.#lastKey = key
    return install
  }

  /** The newest that has asked for a tarball, else the newest. */
  latest(): Install | undefined {
    let latest: Install | undefined
    for (const install of this.#installs.values()) {
      if (latest === undefined || rank(install) > rank(latest)) latest = install
    }
    return latest
  }

  #begin(client: string, nowMs: number): Install {
    const oldest =
      this.#installs.size >= MAX_INSTALLS ? this.#installs.keys().next().value : undefined
    if (oldest !== undefined) this.#installs.delete(oldest)
    this.#count += 1
    const none = { artifacts: 0, bytes: 0 }
    return {
      ...{ number: this.#count, client, startedMs: nowMs, lastMs: nowMs, running: 0 },
      tarballs: { store: { ...none }, peer: { ...none }, origin: { ...none } },
      ...{ tarballRequests: 0, metadataRequests: 0, denied: 0, failed: 0 },
    }
  }
}

function rank({ tarballRequests, startedMs }: Install): number {
  return tarballRequests > 0 ? startedMs : startedMs - 1e12
}

/** Its name and version, of what it says of itself. */
function clientOf(agent = ''): string {
  return AGENT.exec(agent)?.[0] ?? 'a client without a name'
}
