/**
 * Verdaccio's own node as a source: its store, then peers, then the uplink as the node's origin, raced as the node does it.
 * Asked only for public packages; what comes through it is kept and seeded by it.
 */
import type { CatalogNode, Digest } from '@catalog-p2p/core'
import { withSize } from './spool.ts'
import {
  FinalError,
  type OpenTarball,
  type Source,
  type SourceName,
  type TarballRequest,
} from './tarball-request.ts'
import { IntegrityError } from './verified-tarball.ts'

/** A node that runs, and what is needed from core's code, which is loaded with it. */
export interface RunningNode {
  readonly node: CatalogNode
  readonly toDigest: (integrity: string) => Digest | undefined
  readonly isMismatch: (error: unknown) => boolean
}

/** `uplink` absent: peers only. */
export function createNodeSource(
  running: RunningNode,
  want: { readonly request: TarballRequest; readonly digest: Digest },
  uplink: Source | undefined,
): Source {
  const { request, digest } = want
  return {
    name: 'node',
    async open({ signal }): Promise<OpenTarball> {
      const attempt: { failed?: unknown; opened: boolean } = { opened: false }
      const origin = uplink && {
        visibility: 'public' as const,
        open: async (options: { signal: AbortSignal }) => {
          try {
            const opened = await withSize(await uplink.open(options), options)
            attempt.opened = true
            return opened
          } catch (error) {
            if (!options.signal.aborted) attempt.failed = error
            throw error
          }
        },
      }
      try {
        const got = await running.node.get(digest, { signal, ...(origin && { origin }) })
        const from: SourceName = got.source === 'origin' ? 'uplink' : got.source
        return { from, size: got.size, body: told(got.body, from) }
      } catch (error) {
        signal.throwIfAborted()
        if (attempt.failed !== undefined) throw new FinalError(attempt.failed)
        if (attempt.opened && running.isMismatch(error)) {
          throw new FinalError(new IntegrityError(request, 'uplink'))
        }
        throw error
      }
    },
  }

  /** The node's own check failing in the middle is what ours would find at the end. */
  async function* told(
    body: AsyncIterable<Uint8Array>,
    from: SourceName,
  ): AsyncGenerator<Uint8Array> {
    try {
      yield* body
    } catch (error) {
      throw running.isMismatch(error) ? new IntegrityError(request, from) : error
    }
  }
}
