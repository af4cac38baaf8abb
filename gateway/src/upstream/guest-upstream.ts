/**
 * The registries, and the way to them, for guests (bridges/): without credentials, without client certificates. What is built on
 * these has nothing of the user's that it could lend.
 */
import type { Registries } from './registries.ts'
import type { Upstream } from './upstream.ts'

export function withoutCredentials(registries: Registries): Registries {
  return {
    ...registries,
    hasCredentials: () => false,
    credentialsFor: () => undefined,
    credentialsAt: () => undefined,
  }
}

/** Closed by whoever closes `upstream`. */
export function withoutCertificate(upstream: Upstream): Upstream {
  return {
    request: (request) =>
      upstream.request({ ...request, certificate: false, credentialsFor: () => undefined }),
    isDown: (origin) => upstream.isDown(origin),
    isSilent: (origin, sinceMs) => upstream.isSilent(origin, sinceMs),
    counts: upstream.counts,
    close: () => Promise.resolve(),
  }
}
