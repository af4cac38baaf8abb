/** Whether a package is for a platform, by npm's rules for `os`, `cpu` and `libc` (npm-install-checks). Pure. */
import type { LockfilePackage } from './package-collector.ts'

export interface Platform {
  /** `process.platform`. */
  readonly os: string
  /** `process.arch`. */
  readonly cpu: string
  /** `glibc` or `musl` on Linux, undefined elsewhere. */
  readonly libc: string | undefined
}

export function isForPlatform(found: LockfilePackage, platform: Platform): boolean {
  if (!isListed(platform.os, found.os) || !isListed(platform.cpu, found.cpu)) return false
  if (found.libc === undefined) return true
  // Where the system has no libc to name, npm takes no package that asks for one.
  return platform.libc !== undefined && isListed(platform.libc, found.libc)
}

/** A `!name` excludes; if there are plain names, one must match; `any` alone matches everything. */
function isListed(value: string, list: readonly string[] | undefined): boolean {
  if (list === undefined || list.length === 0) return true
  if (list.length === 1 && list[0] === 'any') return true
  if (list.includes(`!${value}`)) return false
  const wanted = list.filter((item) => !item.startsWith('!'))
  return wanted.length === 0 || wanted.includes(value)
}

interface NodeReport {
  readonly header?: { readonly glibcVersionRuntime?: unknown }
  readonly sharedObjects?: unknown
}

/** Reads the libc from Node's own diagnostic report, as npm does. */
export function libcOf(os: string, report: () => unknown): string | undefined {
  if (os !== 'linux') return undefined
  const { header, sharedObjects } = (report() ?? {}) as NodeReport
  if (header?.glibcVersionRuntime !== undefined) return 'glibc'
  const objects = Array.isArray(sharedObjects) ? sharedObjects : []
  const isMusl = objects.some(
    (name) => typeof name === 'string' && /libc\.musl-|ld-musl-/.test(name),
  )
  return isMusl ? 'musl' : undefined
}
