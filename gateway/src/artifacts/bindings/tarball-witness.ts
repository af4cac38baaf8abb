/**
 * Which bytes a registry gives under a name and version, where it does not say so: its tarball is read to the end and hashed,
 * never kept. For comparing with bytes that came from elsewhere.
 */
import { createHash } from 'node:crypto'
import { isCatalogError, parseDigest, type Digest, type Origin } from '@catalog-p2p/core'
import type { Registry } from '../../upstream/registries.ts'
import { unreachable, type Upstream } from '../../upstream/upstream.ts'
import { SilentRegistries } from '../silent-registries.ts'

export interface WitnessQuestion {
  readonly registry: Registry
  readonly origin: Origin
  /** Of what it is compared with. */
  readonly maxBytes: number
  readonly signal: AbortSignal
}

export interface TarballWitness {
  /**
   * undefined: it is longer than `maxBytes`.
   * @throws CatalogError UPSTREAM_UNREACHABLE when it has not come within TIMEOUT_MS, UPSTREAM_REJECTED when it is not given;
   *   `signal.reason`
   */
  digestOf(question: WitnessQuestion): Promise<Digest | undefined>
}

/** The end of an answer waits for it, and clients wait for five minutes (npm's fetch-timeout). */
const TIMEOUT_MS = 120_000
/** A registry that has said nothing for so long counts as silent. */
const SILENCE_MS = 5_000

export function createTarballWitness(upstream: Pick<Upstream, 'isSilent'>): TarballWitness {
  const silent = new SilentRegistries(upstream)

  return {
    async digestOf({ registry, origin, maxBytes, signal }) {
      silent.assertHeard(registry)
      const askedMs = performance.now()
      const timeout = AbortSignal.timeout(TIMEOUT_MS)
      const done = new AbortController()
      const limited = AbortSignal.any([signal, timeout, done.signal])
      try {
        const { body } = await origin.open({ signal: limited })
        return await hashUpTo(maxBytes, body)
      } catch (error) {
        signal.throwIfAborted()
        const isAway = timeout.aborted || isCatalogError(error, 'UPSTREAM_UNREACHABLE')
        const isLong = performance.now() - askedMs >= SILENCE_MS
        if (isAway && isLong) silent.noteNoAnswer(registry, askedMs)
        throw timeout.aborted ? unreachable(new URL(registry.url), timeout.reason) : error
      } finally {
        done.abort() // what is too long is not read on
      }
    },
  }
}

async function hashUpTo(
  maxBytes: number,
  body: AsyncIterable<Uint8Array>,
): Promise<Digest | undefined> {
  const hash = createHash('sha512')
  let size = 0
  for await (const chunk of body) {
    size += chunk.byteLength
    if (size > maxBytes) return undefined
    hash.update(chunk)
  }
  return parseDigest(`sha512-${hash.digest('base64')}`)
}
