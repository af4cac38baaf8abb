/** Counts what a node has handed to its callers, by source, this run. Never looks at the artifacts themselves. */
import type { ArtifactSource, NodeStats } from './api.ts'

type Totals = Record<ArtifactSource, { artifacts: number; bytes: number }>

export class ServedCounter {
  readonly #totals: Totals = {
    store: { artifacts: 0, bytes: 0 },
    peer: { artifacts: 0, bytes: 0 },
    origin: { artifacts: 0, bytes: 0 },
  }

  count(source: ArtifactSource, bytes: number): void {
    this.#totals[source].artifacts += 1
    this.#totals[source].bytes += bytes
  }

  /** A snapshot. */
  totals(): NodeStats['served'] {
    return structuredClone(this.#totals)
  }
}
