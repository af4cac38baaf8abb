/**
 * Marks unusual tarball URLs with their package. Where metadata names another URL than the registry's usual one, Yarn requests and
 * caches by that URL alone, so two packages with the same URL, or a dependency on the URL itself, could not be told apart. A
 * fragment makes the URL unique per package: servers do not see it, and nothing outside this run can write it. Pure.
 */
import { randomBytes } from 'node:crypto'
import { parseUrl } from './parse-url.ts'
import type { TarballRoute } from './request-route.ts'

export class ArchiveAddresses {
  readonly #routes = new Map<string, TarballRoute>()
  readonly #secret = randomBytes(8).toString('hex')

  /** `address`, unique to this package. */
  nameIn(address: string, route: TarballRoute): string {
    // As in Yarn, an address without a host is relative to the registry.
    const url = parseUrl(address.startsWith('/') ? route.registry + address : address)
    if (url === undefined) return address
    url.hash = ''
    const named = { ...route, address: url.href }
    url.hash = `${route.name}@${route.version}~${this.#secret}`
    this.#routes.set(url.href, named)
    return url.href
  }

  /** The package, if `target` was made by `nameIn`. */
  find(target: URL): TarballRoute | undefined {
    return this.#routes.get(target.href)
  }
}
