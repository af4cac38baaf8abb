/** What wins the race of a download. Types only. */
import type { ArtifactSource } from '../../api.ts'
import type { Assembly } from '../chunks/assembly.ts'

/** A verified artifact: bytes at hand, or an assembly that the store has by now. */
export type Found =
  | { readonly source: ArtifactSource; readonly bytes: Uint8Array }
  | { readonly source: ArtifactSource; readonly assembly: Assembly }
