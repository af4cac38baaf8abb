/** How much came from where, by time, of the last half hour. An addition when something came; no timer. */
import type { ArtifactSource } from '@catalog-p2p/core'

export interface Traffic {
  readonly bucketMs: number
  /** Number of the last bucket, counted from 1970. */
  readonly lastBucket: number
  /** Bytes of each bucket, the oldest first. */
  readonly bytes: Readonly<Record<ArtifactSource, readonly number[]>>
  readonly artifacts: Readonly<Record<ArtifactSource, readonly number[]>>
}

const BUCKET_MS = 10_000
const BUCKETS = 180
const SOURCES: readonly ArtifactSource[] = ['store', 'peer', 'origin']

type Rows = Record<ArtifactSource, Float64Array>

export class TrafficHistory {
  readonly #bytes = emptyRows()
  readonly #artifacts = emptyRows()
  #first: number | undefined
  #last = 0

  /** @param atMs since 1970 */
  add(source: ArtifactSource, bytes: number, atMs: number): void {
    const bucket = Math.floor(atMs / BUCKET_MS)
    if (this.#first === undefined) {
      this.#first = bucket
      this.#last = bucket
    }
    this.#advance(bucket)
    const at = this.#last % BUCKETS
    this.#bytes[source][at]! += bytes
    this.#artifacts[source][at]! += 1
  }

  /** From the first bucket with anything in it, or the oldest that is kept, to the last one with anything. */
  read(): Traffic {
    const first = Math.max(this.#first ?? this.#last + 1, this.#last - BUCKETS + 1)
    const numbers = Array.from({ length: this.#last - first + 1 }, (_, index) => first + index)
    const rowsOf = (rows: Rows): Record<ArtifactSource, number[]> => {
      const row = (source: ArtifactSource): number[] =>
        numbers.map((number) => rows[source][number % BUCKETS] ?? 0)
      return { store: row('store'), peer: row('peer'), origin: row('origin') }
    }
    const [bytes, artifacts] = [rowsOf(this.#bytes), rowsOf(this.#artifacts)]
    return { bucketMs: BUCKET_MS, lastBucket: this.#last, bytes, artifacts }
  }

  /** A clock that is set back adds to the last bucket. */
  #advance(bucket: number): void {
    if (bucket - this.#last >= BUCKETS) this.#last = bucket - BUCKETS
    while (this.#last < bucket) {
      this.#last += 1
      for (const source of SOURCES) {
        this.#bytes[source][this.#last % BUCKETS] = 0
        this.#artifacts[source][this.#last % BUCKETS] = 0
      }
    }
  }
}

function emptyRows(): Rows {
  const row = (): Float64Array => new Float64Array(BUCKETS)
  return { store: row(), peer: row(), origin: row() }
}
