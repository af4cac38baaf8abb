/**
 * What happens at the end of an artifact's body: a check that it waits for, then a note of what the whole of it has shown.
 * Only a body that is read to its end gets there; one that is given up or fails is cleaned up after.
 */
import type { Artifact } from '@catalog-p2p/core'

export interface EndOfArtifact {
  /** The last piece is held back until it resolves, and the body fails where it rejects. */
  readonly check: (() => Promise<void>) | undefined
  /** After the last byte. */
  readonly complete: () => void
  /** However it ends. */
  readonly release: () => void
}

export function whenRead(artifact: Artifact, end: EndOfArtifact): Artifact {
  if (artifact.bytes !== undefined) {
    end.complete()
    end.release()
    return artifact
  }
  async function* body(): AsyncGenerator<Uint8Array, void> {
    try {
      // Readers keep one piece back until this generator has returned.
      yield* artifact.body
      await end.check?.()
      end.complete()
    } finally {
      end.release()
    }
  }
  return { ...artifact, body: body() }
}

export async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void> {
  yield bytes
}
