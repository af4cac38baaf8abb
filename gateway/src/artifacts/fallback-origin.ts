/**
 * A second registry behind the first one, for tarballs alone whose digest is known before it is asked (`--fallback-upstream`): when
 * there is no first one, or it can't be reached, or fails. Asked as a stranger, and of public names only. What it gives proves
 * nothing but that the bytes match: not which version they are, not that anybody else may have them.
 */
import { isCatalogError, type Origin } from '@catalog-p2p/core'
import { tarballFile } from '../packuments/client-policy.ts'
import { withoutCertificate } from '../upstream/guest-upstream.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { createTarballOrigin, type TarballOrigin } from './tarball-origin.ts'

export interface FallbackPlace {
  /** Of the second registry, with a slash at its end. */
  readonly base: string
  readonly name: string
  readonly version: string
}

/** @param first undefined: no registry may be asked, or there is none */
export function withFallback(
  upstream: Upstream,
  first: TarballOrigin | undefined,
  { base, name, version }: FallbackPlace,
): TarballOrigin {
  let isSecond = false
  const second = createTarballOrigin(withoutCertificate(upstream), {
    url: () =>
      Promise.resolve(new URL(`${name}/-/${encodeURIComponent(tarballFile(name, version))}`, base)),
    visibility: 'public',
    credentialsFor: undefined,
  })
  const open = async (options: Parameters<Origin['open']>[0]) => {
    if (first === undefined) return fromSecond(options)
    try {
      return await first.open(options)
    } catch (error) {
      // That it will not give it is its word: nobody else is asked.
      if (!isCatalogError(error, 'UPSTREAM_UNREACHABLE')) throw error
      // Why the first one failed says more than why the second one did.
      return await fromSecond(options).catch(() => {
        options.signal.throwIfAborted()
        throw error
      })
    }
  }
  const fromSecond: Origin['open'] = async (options) => {
    const opened = await second.open(options)
    isSecond = true
    return opened
  }
  return {
    visibility: 'public',
    // Nothing of the first one's came: what is under that name is not said by it.
    get asked() {
      return first?.asked === true && !isSecond
    },
    get givenTo() {
      return isSecond ? undefined : first?.givenTo
    },
    open,
  }
}
