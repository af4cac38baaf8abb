/**
 * Passes on what is arriving: of a public artifact, the chunks of the manifest that is furthest. They go out as a claim, marked
 * as still arriving, and are treated as one. Never anything of a private artifact, or of a node that does not seed.
 */
import type { Digest } from '../content/digest.ts'
import type { Visibility } from '../content/visibility.ts'
import type { Assembly } from './chunks/assembly.ts'
import type { Candidate } from './sources/candidate.ts'
import type { Claims } from './sources/claims.ts'
import type { TransferDeps } from './transfer-deps.ts'

export interface Relay {
  readonly inFlight: Assembly | undefined
  stop(): void
}

export function createRelay(
  { digest, visibility }: { readonly digest: Digest; readonly visibility: Visibility },
  deps: TransferDeps,
  claims: Claims,
): Relay {
  let relayed: Candidate | undefined
  let isAnnounced = false
  let stopped = false
  if (visibility === 'public') {
    claims.onFirst(() => {
      isAnnounced = true
      deps.onInFlight(digest)
    })
  }

  return {
    get inFlight() {
      if (stopped || visibility !== 'public') return undefined
      relayed = claims.leader() ?? relayed
      return relayed?.assembly
    },
    stop() {
      stopped = true
      if (isAnnounced && !deps.store.has(digest)) deps.onInFlightFailed(digest)
    },
  }
}
