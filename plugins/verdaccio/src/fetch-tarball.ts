/**
 * Gets one tarball that Verdaccio wants from an uplink: from peers first where the package is public, else from the uplink
 * alone; checked against the metadata either way. What goes wrong with peers is never the client's business.
 */
import type { Logger } from '@catalog-p2p/core'
import type { Counters } from './counters.ts'
import type { DaemonLink } from './daemon-source.ts'
import { digestTextOf, expectedOf } from './integrity.ts'
import { tarballRecord } from './manifest.ts'
import { createNodeSource, type RunningNode } from './node-source.ts'
import type { Privacy } from './privacy.ts'
import type { TarballContext } from './request-context.ts'
import type { Source, TarballRequest } from './tarball-request.ts'
import { toTarballStream, type Tarball } from './tarball-stream.ts'
import { createUplinkSource, type UplinkDownload } from './uplink-source.ts'
import { IntegrityError, openVerified } from './verified-tarball.ts'
import type { LocalStorage, TarballStream } from './verdaccio.ts'
import type { Admit, UnpublishSync } from './unpublish-sync.ts'

export interface FetcherDependencies {
  readonly localStorage: Pick<LocalStorage, 'getPackageMetadataAsync'>
  readonly privacy: Privacy
  readonly counters: Counters
  readonly log: Logger
  /** undefined: none, not yet, or no more. */
  readonly node: () => RunningNode | undefined
  readonly daemon: DaemonLink | undefined
  /** What Verdaccio removes while the node fetches it. */
  readonly unpublishSync: Pick<UnpublishSync, 'begin'> | undefined
}

export interface FetcherOptions {
  readonly silenceMs: number
  readonly stallMs: number
}

export interface TarballFetcher {
  /** Instead of the uplink's own stream. `uplink` is its name, if it has one. */
  fetch(
    context: TarballContext,
    uplink: string | undefined,
    start: () => UplinkDownload,
  ): TarballStream
  /** From peers alone, by a digest that the client brought; undefined when there are none to ask. */
  fromPeers(context: TarballContext, integrity: string): TarballStream | undefined
}

export function createTarballFetcher(
  deps: FetcherDependencies,
  options: FetcherOptions,
): TarballFetcher {
  const { counters, log, privacy } = deps

  async function open(
    request: TarballRequest,
    sources: readonly Source[],
    signal: AbortSignal,
  ): Promise<Tarball> {
    const onFallback = (source: Source, error: unknown): void => {
      counters.fallbacks += 1
      log.warn('tarball.fallback', { package: request.label, failed: source.name, error })
    }
    try {
      const tarball = await openVerified(request, sources, { signal, onFallback })
      return { size: tarball.size, body: counted(request, tarball) }
    } catch (error) {
      throw failed(request, error, signal)
    }
  }

  async function* counted(
    request: TarballRequest,
    tarball: Awaited<ReturnType<typeof openVerified>>,
  ): AsyncGenerator<Uint8Array> {
    const before = performance.now()
    let bytes = 0
    try {
      for await (const chunk of tarball.body) {
        bytes += chunk.byteLength
        yield chunk
      }
    } catch (error) {
      throw failed(request, error, undefined)
    }
    const from = tarball.from()
    counters.tarballs[from].artifacts += 1
    counters.tarballs[from].bytes += bytes
    const ms = Math.round(performance.now() - before)
    log.debug('tarball.done', { package: request.label, from, bytes, ms })
  }

  /** The same error, told and counted. */
  function failed(
    request: TarballRequest,
    error: unknown,
    signal: AbortSignal | undefined,
  ): unknown {
    if (signal?.aborted === true) return error
    counters.failures += 1
    if (error instanceof IntegrityError) {
      counters.integrityFailures[error.from] += 1
      const { label, filename, expected } = request
      const next = 'its metadata and its bytes disagree: look at the uplink before installing it'
      log.error('tarball.integrity', {
        ...{ package: label, file: filename, from: error.from, expected: expected.algorithm, next },
      })
    }
    return error
  }

  function peerSource(
    request: TarballRequest,
    context: TarballContext,
    { uplink, admit }: { uplink?: Source; admit: Admit | undefined },
  ) {
    const integrity = digestTextOf(request.expected)
    if (integrity === undefined) return undefined
    if (deps.daemon !== undefined) {
      // The daemon asks us because nobody else has it.
      if (context.client?.isDaemon === true) return undefined
      return deps.daemon.source(request, integrity)
    }
    const running = deps.node()
    const digest = running?.toDigest(integrity)
    if (running === undefined || digest === undefined) return undefined
    if (admit?.(request, digest) === false) return undefined
    return createNodeSource(running, { request, digest }, uplink)
  }

  async function produce(
    context: TarballContext,
    uplinkName: string | undefined,
    { uplink, signal }: { uplink: Source; signal: AbortSignal },
  ): Promise<Tarball> {
    const { name, filename } = context
    const admit = deps.unpublishSync?.begin()
    const manifest = context.manifest ?? (await readManifest(name))
    const { expected, label, ...record } = tarballRecord(manifest, name, filename)
    if (expected === undefined) {
      context.download = 'unverifiable'
      counters.unverifiable += 1
      const next = 'the uplink gives no hash for it: it is passed on, and not stored'
      log.warn('tarball.unverifiable', { package: label, file: filename, next })
      const { size, body } = await uplink.open({ signal })
      return { size: () => size, body }
    }
    context.download = 'checked'
    const request = { name, filename, label, expected }
    // Verdaccio asks an uplink for what was published here, too, when its file has gone.
    const isProxied = record.isProxied || !record.isRecorded
    const isPublic = privacy.isPublic(name, { isProxied, uplink: uplinkName })
    const peers = isPublic ? peerSource(request, context, { uplink, admit }) : undefined
    return await open(request, peers === undefined ? [uplink] : [peers, uplink], signal)
  }

  async function readManifest(name: string): Promise<unknown> {
    return await deps.localStorage.getPackageMetadataAsync(name)
  }

  return {
    fetch(context, uplinkName, start) {
      const uplink = createUplinkSource(start, options)
      return toTarballStream(
        ({ signal }) => produce(context, uplinkName, { uplink, signal }),
        options,
      )
    },
    fromPeers(context, integrity) {
      const expected = expectedOf(integrity, undefined)
      if (expected === undefined) return undefined
      const { name, filename } = context
      const request = { name, filename, label: `${name} (${filename})`, expected }
      const source = peerSource(request, context, { admit: deps.unpublishSync?.begin() })
      if (source === undefined) return undefined
      return toTarballStream(({ signal }) => open(request, [source], signal), options)
    },
  }
}
