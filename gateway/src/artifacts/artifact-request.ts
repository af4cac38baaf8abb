/** What a client, or another machine of the fleet, asks for. Types only. */
import type { Digest } from '@catalog-p2p/core'
import type { Credentials } from '../upstream/credentials.ts'

export interface ArtifactRequest {
  readonly name: string
  readonly version: string | undefined
  /** As the client asked for it. */
  readonly file: string | undefined
  /** That the client, or its lockfile, expects. */
  readonly integrity: Digest | undefined
  readonly client: Credentials | undefined
  /** From the store or from peers, or not at all; with metadata at hand, if it takes any. */
  readonly upstream?: 'never' | undefined
  /** For another machine of the fleet: it is fetched here, and no third machine is asked to. */
  readonly isErrand?: boolean
  /** Aborted when the caller is done with the artifact without having read it to its end. */
  readonly signal: AbortSignal
  /** Told when it is known which bytes it is. */
  readonly onLocated?: () => void
}
