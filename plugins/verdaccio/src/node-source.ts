/**
 * The node in Verdaccio's process as a source: its store, then peers, with the uplink as the node's origin. The node stores and
 * seeds what it fetches, so it must only be asked for public packages.
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

/** A running node, with the functions of core that its users need: core is loaded with the node. */
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
        return { from, size: got.size, body: withIntegrityErrors(got.body, from) }
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

  /** A mismatch that the node finds is the one that the plugin's own check would find at the end. */
  async function* withIntegrityErrors(
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
