/**
 * Where the tarball that metadata lists is to be had: there, or at the registry itself, as npm's `replace-registry-host` says
 * (`npm help config`; arborist's reify.js). Its default stands for npm's public registry, which a mirror's documents may still
 * name though their tarballs are the mirror's. Pure.
 */
import { DEFAULT_REGISTRY_HOST } from './default-registry.ts'

const DEFAULT_SETTING = 'npmjs'

export function tarballPlace(
  listed: URL,
  registry: { readonly url: string },
  setting: string = DEFAULT_SETTING,
): URL {
  const replaced = replacedPrefix(listed, setting)
  if (replaced === undefined) return listed
  const home = new URL(registry.url)
  const prefix = home.pathname.replace(/\/$/, '')
  const path = listed.pathname.slice(replaced.length)
  const isThere = replaced === '' && isUnder(listed.pathname, prefix)
  return new URL(`${home.origin}${isThere ? '' : prefix}${path}${listed.search}`)
}

/** The path that goes with the host, empty for the host alone; undefined when the URL stays as it is. */
function replacedPrefix(listed: URL, setting: string): string | undefined {
  if (setting === 'always') return ''
  if (setting === DEFAULT_SETTING) return listed.host === DEFAULT_REGISTRY_HOST ? '' : undefined
  const place =
    /^https?:\/\//i.test(setting) && URL.canParse(setting) ? new URL(setting) : undefined
  if ((place?.hostname ?? setting) !== listed.hostname) return undefined
  const prefix = place?.pathname.replace(/\/$/, '') ?? ''
  return isUnder(listed.pathname, prefix) ? prefix : undefined
}

function isUnder(path: string, prefix: string): boolean {
  return path === prefix || path.startsWith(`${prefix}/`)
}
