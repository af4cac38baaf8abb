/** Why an install took as long as it did: numbers that were counted, and words for them. Types only, plain data. */

/** What the time of an install was spent on. */
export type Cause =
  | 'client'
  | 'metadata-registry'
  | 'metadata-peers'
  | 'metadata-here'
  | 'finding'
  | 'registry-wait'
  | 'registry-bytes'
  | 'peers-wait'
  | 'peers-bytes'
  | 'here'
  | 'unanswered'
  | 'nothing'

/** Shares of the time: where several things happened at once, each has its part of it. Together they are the whole. */
export interface TimeShare {
  readonly cause: Cause
  readonly ms: number
  /** Requests that it was spent on; 0 for the client's own time. */
  readonly requests: number
  readonly text: string
}

export interface SlowRequest {
  /** null: not for who asks. */
  readonly name: string | null
  readonly version: string | null
  readonly ms: number
  readonly text: string
}

export interface Explanation {
  /** As `npm/11.6.0`; null: not for who asks. */
  readonly client: string | null
  /** Since 1970. */
  readonly startedMs: number
  readonly tookMs: number
  /** Requests of the install, and those that are still known and counted here. */
  readonly requests: number
  readonly counted: number
  /** Of them, at one time. */
  readonly mostAtOnce: number
  /** The longest first. */
  readonly shares: readonly TimeShare[]
  /** Why packages came from the registry, and what went wrong, counted. */
  readonly findings: readonly string[]
  readonly slowest: readonly SlowRequest[]
  /** What would make the next one faster, what helps most first. */
  readonly next: readonly string[]
}
