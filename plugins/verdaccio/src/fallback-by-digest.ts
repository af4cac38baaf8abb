/**
 * Peers as a fallback for a tarball whose metadata Verdaccio has never seen while no uplink can be reached: clients that send the
 * digest from their lockfile (as npm does) get it by that digest. It goes to that client alone; Verdaccio does not store it, as it
 * has no metadata to check it by.
 */
import { PassThrough } from 'node:stream'
import type { Logger } from '@catalog-p2p/core'
import type { Counters } from './counters.ts'
import type { TarballFetcher } from './fetch-tarball.ts'
import { isFromUplink, tarballRecord } from './manifest.ts'
import type { Privacy } from './privacy.ts'
import type { TarballContext } from './request-context.ts'
import { isObject, type TarballStream, type VerdaccioStorage } from './verdaccio.ts'

export interface DigestFallbackDependencies {
  readonly storage: VerdaccioStorage
  readonly privacy: Privacy
  readonly fetcher: TarballFetcher
  readonly counters: Counters
  readonly log: Logger
}

export type DigestFallback = (context: TarballContext, stream: TarballStream) => TarballStream

export function createDigestFallback(deps: DigestFallbackDependencies): DigestFallback {
  const { storage, privacy, fetcher, counters, log } = deps

  function isUnreachable(name: string): boolean {
    const proxies = privacy.proxiesOf(name)
    return proxies.every((each) => (storage.uplinks[each]?.failed_requests ?? 0) > 0)
  }

  function mayAskPeers({ name, filename, manifest }: TarballContext, error: unknown): boolean {
    const status = isObject(error) ? error['status'] : undefined
    if (typeof status === 'number' && status !== 404 && status < 500) return false
    // A filter plugin decides by the metadata, which is missing.
    if ((storage.filters?.length ?? 0) > 0) return false
    if (!privacy.isProxiedPublic(name) || !isUnreachable(name)) return false
    if (manifest === undefined) return true
    return isFromUplink(manifest) && tarballRecord(manifest, name, filename).expected === undefined
  }

  return (context, stream) => {
    const integrity = context.client?.digest ?? ''
    if (integrity === '') return stream
    const out = Object.assign(new PassThrough(), { abort: () => stream.abort() })
    let hasBegun = false
    const forward = (from: TarballStream, onError: (error: unknown) => void): void => {
      from.on('content-length', (length) => out.emit('content-length', length))
      from.once('data', () => (hasBegun = true))
      from.on('error', onError)
      from.pipe(out)
    }
    function giveFromPeers(error: unknown): void {
      const isEligible = !hasBegun && mayAskPeers(context, error)
      const peers = isEligible ? fetcher.fromPeers(context, integrity) : undefined
      if (peers === undefined) return void out.emit('error', error)
      stream.unpipe(out)
      peers.once('end', () => {
        counters.rescued += 1
        log.info('tarball.rescued', { package: context.name, file: context.filename })
      })
      // Verdaccio's own error says more than that no peer has it.
      forward(peers, () => out.emit('error', error))
    }
    // Delayed: an uplink emits its error before it counts itself as failed.
    forward(stream, (error) => void setImmediate(giveFromPeers, error))
    return out
  }
}
