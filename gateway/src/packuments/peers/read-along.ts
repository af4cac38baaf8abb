/** A tarball on its way to a client, read as it passes: its end comes only when somebody has judged what it says of itself. */
import type { Artifact } from '@catalog-p2p/core'
import { TarballManifestReader } from './tarball-manifest.ts'

/** @param judge of all of its bytes; what it throws ends the body before its last piece, or is thrown here when all is at hand */
export async function readAlong(
  artifact: Artifact,
  judge: (reader: TarballManifestReader) => Promise<void>,
): Promise<Artifact> {
  if (artifact.bytes === undefined) return { ...artifact, body: passing(artifact.body, judge) }
  const reader = new TarballManifestReader()
  try {
    await reader.write(artifact.bytes)
    await judge(reader)
    return artifact
  } finally {
    reader.close()
  }
}

async function* passing(
  body: AsyncIterable<Uint8Array>,
  judge: (reader: TarballManifestReader) => Promise<void>,
): AsyncGenerator<Uint8Array, void> {
  const reader = new TarballManifestReader()
  let held: Uint8Array | undefined
  try {
    for await (const piece of body) {
      if (held !== undefined) yield held
      await reader.write(piece)
      held = piece
    }
    await judge(reader)
    if (held !== undefined) yield held
  } finally {
    reader.close()
  }
}
