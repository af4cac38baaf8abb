/**
 * What the callers that wait for a download get: the verified artifact, or earlier an assembly to read while it arrives. Once
 * readers have been given an assembly it is never exchanged for another: when it fails, they fail.
 */
import type { Artifact, ArtifactSource, DownloadCourse } from '../../api.ts'
import type { Digest } from '../../content/digest.ts'
import { wholeArtifact } from '../artifact-body.ts'
import type { Assembly } from '../chunks/assembly.ts'
import type { Found } from './found.ts'

export interface Delivery {
  /** Lets readers begin before the whole has been verified; they get its end only afterwards. */
  offer(source: ArtifactSource, assembly: Assembly): void
  /** What readers have been given already, if anything. */
  readonly offered: Assembly | undefined
  succeed(found: Found): void
  fail(error: unknown): void
  /** Rejects with what `fail` was given. */
  readonly artifact: () => Promise<Artifact>
}

export function createDelivery(digest: Digest, course: DownloadCourse): Delivery {
  const found = Promise.withResolvers<Found>()
  found.promise.catch(() => undefined) // every waiter sees it; there may be none left
  let offered: Assembly | undefined

  return {
    offer(source, assembly) {
      offered ??= assembly
      found.resolve({ source, assembly })
    },
    get offered() {
      return offered
    },
    succeed: found.resolve,
    fail: found.reject,
    async artifact() {
      return { ...toArtifact(digest, await found.promise), course }
    },
  }
}

function toArtifact(digest: Digest, found: Found): Artifact {
  const { source } = found
  if ('bytes' in found) return wholeArtifact(digest, source, found.bytes)
  const { assembly } = found
  return { digest, source, size: assembly.geometry.size, bytes: undefined, body: assembly.read() }
}
