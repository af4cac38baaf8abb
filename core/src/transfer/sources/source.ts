/**
 * What the sources of one download have in common. A source is an attempt in one race (hedge.ts) that ends only with bytes
 * whose sha512 has matched: a mere promise of bytes ends nothing. To add a source, write one more attempt and put it
 * into the list in download.ts; its place there says when its turn comes.
 */
import type { Origin } from '../../api.ts'
import type { Digest } from '../../content/digest.ts'
import type { NameKey } from '../../content/name-key.ts'
import { CatalogError } from '../../errors.ts'
import type { PeerId } from '../../host/host.ts'
import type { Visibility } from '../../content/visibility.ts'
import type { Course } from '../course.ts'
import type { Claims } from './claims.ts'
import type { Delivery } from './delivery.ts'
import type { RetryRound } from './retry-peers.ts'

/** The state of an origin in a download. */
export interface OriginState {
  readonly origin: Origin | undefined
  /** It has not failed. */
  isAlive: boolean
  failure: { readonly error: unknown } | undefined
}

/** What is to be expected of a delegate: that it may still give it, that it is at it though it was late, or nothing. */
export type Outlook = 'silent' | 'at-it' | 'none'

/** One download, as its sources see it. */
export interface Race {
  readonly digest: Digest
  /** Of the version in a fleet, where its record is missing: peers that list it send that along. */
  readonly name: NameKey | undefined
  readonly visibility: Visibility
  readonly origin: OriginState
  readonly claims: Claims
  readonly delivery: Delivery
  readonly retries: RetryRound
  readonly course: Course
  /** What is to be expected of the delegate, where one has been asked. */
  delegate: () => Outlook
  /** Peers that say they have it and did not answer when they were asked last. */
  readonly silent: Set<PeerId>
  /** Aborted when somebody waits for it who must not wait for a delegate. */
  readonly alone: AbortSignal
  /** Aborted when no caller waits any more, and by `end`. */
  readonly signal: AbortSignal
  /** What readers have been given has failed: there is nothing left to win. */
  readonly end: (error: unknown) => void
}

/** @param unanswered peers that say they have it and did not give it: it is there, and can't be had now */
export function noProviders(digest: Digest, cause: unknown, unanswered = 0): CatalogError {
  return new CatalogError('NO_PROVIDERS', 'no peer has it', {
    ...{ digest, cause, unanswered },
    hint: 'connect to the registry or to a machine that has the package',
  })
}
