/**
 * Chooses the source that brings a public tarball from peers: the node of this process, or the daemon of this machine. Never
 * decides what is public: callers ask privacy.ts first.
 */
import type { DaemonLink } from './daemon-source.ts'
import { sha512Of } from './integrity.ts'
import { createNodeSource, type RunningNode } from './node-source.ts'
import type { TarballContext } from './request-context.ts'
import type { Source, TarballRequest } from './tarball-request.ts'
import type { Admit } from './unpublish-sync.ts'

export interface PeerSourceDependencies {
  /** undefined: none, not running yet, or stopped. */
  readonly node: () => RunningNode | undefined
  readonly daemon: DaemonLink | undefined
}

export interface PeerSourceOptions {
  /** The node's fallback; the daemon has its own upstream. */
  readonly uplink?: Source
  readonly admit: Admit | undefined
}

/** undefined when the request names no single sha512, or when there is nothing to ask now. */
export function peerSourceFor(
  { node, daemon }: PeerSourceDependencies,
  { request, context }: { readonly request: TarballRequest; readonly context: TarballContext },
  { uplink, admit }: PeerSourceOptions,
): Source | undefined {
  const integrity = sha512Of(request.expected)
  if (integrity === undefined) return undefined
  if (daemon !== undefined) {
    // A daemon asks Verdaccio because its peers do not have the tarball: asking it back would loop.
    return context.client?.isDaemon === true ? undefined : daemon.source(request, integrity)
  }
  const running = node()
  const digest = running?.toDigest(integrity)
  if (running === undefined || digest === undefined) return undefined
  if (admit?.(request, digest) === false) return undefined
  return createNodeSource(running, { request, digest }, uplink)
}
