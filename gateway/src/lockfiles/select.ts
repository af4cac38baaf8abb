/**
 * Which packages of a lockfile a gateway should get: those for this platform, from registries the gateway stands for.
 * The rest is counted by reason. A name from another host is never sent anywhere: it may be private.
 */
import { DEFAULT_REGISTRY_HOST } from '../upstream/default-registry.ts'
import type { LockfilePackage, LockfilePackages, SkipReason } from './package-collector.ts'
import { isForPlatform, type Platform } from './platform.ts'

export interface Selection {
  readonly packages: readonly LockfilePackage[]
  readonly skipped: Readonly<Partial<Record<SkipReason, number>>>
}

export interface SelectOptions {
  /** undefined: every platform's. */
  readonly platform: Platform | undefined
  /** Hosts (`name` or `name:port`) whose packages the gateway can get. */
  readonly hosts: readonly string[]
}

export function selectPackages(lock: LockfilePackages, options: SelectOptions): Selection {
  const skipped: Partial<Record<SkipReason, number>> = {}
  const count = (reason: SkipReason): void => {
    skipped[reason] = (skipped[reason] ?? 0) + 1
  }
  for (const { reason } of lock.skipped) count(reason)
  const hosts = new Set(options.hosts.map((host) => host.toLowerCase()))
  const packages = lock.packages.filter((found) => {
    const reason = reasonToSkip(found, options.platform, hosts)
    if (reason !== undefined) count(reason)
    return reason === undefined
  })
  return { packages, skipped }
}

function reasonToSkip(
  found: LockfilePackage,
  platform: Platform | undefined,
  hosts: ReadonlySet<string>,
): SkipReason | undefined {
  if (platform !== undefined && !isForPlatform(found, platform)) return 'platform'
  if (found.url === undefined) return undefined
  if (!URL.canParse(found.url)) return 'unreadable'
  const url = new URL(found.url)
  if (hosts.has(url.host) || isYarnAlias(url)) return undefined
  return 'other-host'
}

/**
 * Yarn 1 writes its own alias of the public registry into every lockfile; behind it are the same packages. It is called as that
 * one is, in the domain of Yarn's own pages; no other host is taken for it, because what a host of somebody's calls its packages
 * may be private.
 */
const YARN_DOMAIN = 'yarnpkg.com'
const YARN_ALIAS = `${DEFAULT_REGISTRY_HOST.split('.', 1)[0] ?? ''}.${YARN_DOMAIN}`

function isYarnAlias(url: URL): boolean {
  return url.protocol === 'https:' && url.host === YARN_ALIAS
}
