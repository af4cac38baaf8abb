/**
 * Which packages of a lockfile a gateway should get: those for this platform, from registries the gateway stands for.
 * The rest is counted by reason. A name from another host is never sent anywhere: it may be private.
 */
import { isYarnAlias } from '../upstream/default-registry.ts'
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
  /** For a package without a URL in the lockfile: whether the gateway asks for it at the project's registry. */
  readonly isAskedThere: (name: string) => boolean
}

export function selectPackages(lock: LockfilePackages, options: SelectOptions): Selection {
  const skipped: Partial<Record<SkipReason, number>> = {}
  const count = (reason: SkipReason): void => {
    skipped[reason] = (skipped[reason] ?? 0) + 1
  }
  for (const { reason } of lock.skipped) count(reason)
  const hosts = new Set(options.hosts.map((host) => host.toLowerCase()))
  const packages = lock.packages.filter((found) => {
    const reason = reasonToSkip(found, options, hosts)
    if (reason !== undefined) count(reason)
    return reason === undefined
  })
  return { packages, skipped }
}

function reasonToSkip(
  found: LockfilePackage,
  { platform, isAskedThere }: SelectOptions,
  hosts: ReadonlySet<string>,
): SkipReason | undefined {
  if (platform !== undefined && !isForPlatform(found, platform)) return 'platform'
  if (found.url === undefined) return isAskedThere(found.name) ? undefined : 'other-host'
  if (!URL.canParse(found.url)) return 'unreadable'
  const url = new URL(found.url)
  if (hosts.has(url.host) || isYarnAlias(url)) return undefined
  return 'other-host'
}
