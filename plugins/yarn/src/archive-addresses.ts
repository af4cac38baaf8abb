/**
 * Which package an unusual address is asked for. Where metadata names another place than the registry's usual one, Yarn asks
 * by that address alone and keeps one answer for all who ask for it, so two packages that name one address could not be told
 * apart, nor either from who depends on the URL itself. With a fragment the address is one package's alone: no server sees
 * it, and nobody outside this run can write it. Pure.
 */
import { randomBytes } from 'node:crypto'
import { parseUrl } from './parse-url.ts'
import type { TarballRoute } from './request-route.ts'

export class ArchiveAddresses {
  readonly #routes = new Map<string, TarballRoute>()
  readonly #secret = randomBytes(8).toString('hex')

  /** `address` as nobody else asks for it. */
  nameIn(address: string, route: TarballRoute): string {
    // One without a host is of the registry, for Yarn as well.
    const url = parseUrl(address.startsWith('/') ? route.registry + address : address)
    if (url === undefined) return address
    url.hash = ''
    const named = { ...route, address: url.href }
    url.hash = `${route.name}@${route.version}~${this.#secret}`
    this.#routes.set(url.href, named)
    return url.href
  }

  /** The package, if `target` came from `nameIn`. */
  find(target: URL): TarballRoute | undefined {
    return this.#routes.get(target.href)
  }
}
