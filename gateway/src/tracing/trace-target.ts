/** The collector that traces are sent to. Types only. */

export interface TraceTarget {
  /** As it is posted to. */
  readonly url: string
  /** May be credentials: never logged, never sent elsewhere. */
  readonly headers: Readonly<Record<string, string>>
  /** What is said of this process, besides what it says itself: `service.name` and the like. */
  readonly resource: Readonly<Record<string, string>>
  /** Of one request. */
  readonly timeoutMs: number
}
