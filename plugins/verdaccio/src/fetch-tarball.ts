/**
 * Fetches one tarball that Verdaccio wants from an uplink: public packages from peers first, then from the uplink; private ones
 * from the uplink alone. Every byte is checked against the metadata. A failure of peers never becomes the client's error.
 */
import { expectedOf } from './integrity.ts'
import { tarballRecord } from './manifest.ts'
import { openObserved, type ObserverDependencies } from './observed-tarball.ts'
import { peerSourceFor, type PeerSourceDependencies } from './peer-source.ts'
import type { Privacy } from './privacy.ts'
import type { TarballContext } from './request-context.ts'
import type { Source, TarballRequest } from './tarball-request.ts'
import { toTarballStream, type Tarball } from './tarball-stream.ts'
import type { UnpublishSync } from './unpublish-sync.ts'
import { createUplinkSource, type UplinkDownload } from './uplink-source.ts'
import type { LocalStorage, TarballStream } from './verdaccio.ts'

export interface FetcherDependencies extends ObserverDependencies, PeerSourceDependencies {
  readonly localStorage: Pick<LocalStorage, 'getPackageMetadataAsync'>
  readonly privacy: Privacy
  /** Keeps the node from taking what Verdaccio removes meanwhile. */
  readonly unpublishSync: Pick<UnpublishSync, 'begin'> | undefined
}

export interface FetcherOptions {
  readonly silenceMs: number
  readonly stallMs: number
}

export interface TarballFetcher {
  /** Replaces the uplink's own stream. `uplink` is its name, if it has one. */
  fetch(
    context: TarballContext,
    uplink: string | undefined,
    start: () => UplinkDownload,
  ): TarballStream
  /** From peers alone, by a digest that the client brought; undefined when there is no source to ask. */
  fromPeers(context: TarballContext, integrity: string): TarballStream | undefined
}

export function createTarballFetcher(
  deps: FetcherDependencies,
  options: FetcherOptions,
): TarballFetcher {
  return {
    fetch(context, uplinkName, start) {
      const uplink = createUplinkSource(start, options)
      return toTarballStream(
        ({ signal }) => open(deps, context, { uplink, uplinkName, signal }),
        options,
      )
    },
    fromPeers(context, integrity) {
      const expected = expectedOf(integrity, undefined)
      if (expected === undefined) return undefined
      const { name, filename } = context
      const request = { name, filename, label: `${name} (${filename})`, expected }
      const admit = deps.unpublishSync?.begin()
      const source = peerSourceFor(deps, { request, context }, { admit })
      if (source === undefined) return undefined
      return toTarballStream(
        ({ signal }) => openObserved(deps, request, { sources: [source], signal }),
        options,
      )
    },
  }
}

async function open(
  deps: FetcherDependencies,
  context: TarballContext,
  options: {
    readonly uplink: Source
    readonly uplinkName: string | undefined
    readonly signal: AbortSignal
  },
): Promise<Tarball> {
  const { name, filename } = context
  const { uplink, uplinkName, signal } = options
  const admit = deps.unpublishSync?.begin()
  const manifest = context.manifest ?? (await deps.localStorage.getPackageMetadataAsync(name))
  const { expected, label, ...record } = tarballRecord(manifest, name, filename)
  if (expected === undefined) {
    context.download = 'unverifiable'
    return await openUnverifiable(deps, { label, filename }, { uplink, signal })
  }
  context.download = 'checked'
  const request = { name, filename, label, expected }
  // Verdaccio asks an uplink even for a package published here, when its file is missing.
  const isProxied = record.isProxied || !record.isRecorded
  const isPublic = deps.privacy.isPublic(name, { isProxied, uplink: uplinkName })
  const peers = isPublic ? peerSourceFor(deps, { request, context }, { uplink, admit }) : undefined
  const sources = peers === undefined ? [uplink] : [peers, uplink]
  return await openObserved(deps, request, { sources, signal })
}

/** A tarball without a hash in its metadata: passed on to the client as it comes. */
async function openUnverifiable(
  { counters, log }: ObserverDependencies,
  { label, filename }: Pick<TarballRequest, 'label' | 'filename'>,
  { uplink, signal }: { readonly uplink: Source; readonly signal: AbortSignal },
): Promise<Tarball> {
  counters.unverifiable += 1
  const next = 'the uplink gives no hash for it: it is passed on, and not stored'
  log.warn('tarball.unverifiable', { package: label, file: filename, next })
  const { size, body } = await uplink.open({ signal })
  return { size: () => size, body }
}
