/**
 * Which registries seem to pass none of npm's signatures on, so that they are not asked for a document of every version. Packages
 * published in-house have none on any mirror: so it is packages that count, and what is seen of them holds for some minutes only.
 * In memory: after a restart it is found out anew.
 */

export interface UnsignedRegistries {
  /** By its URL. */
  has(registry: string): boolean
  /** A version of `name` was looked at. */
  note(registry: string, name: string, isSigned: boolean): void
}

/** Packages without a signature that are looked at before their registry counts as one that passes none on. */
export const MAX_UNSIGNED = 16
export const UNSIGNED_MS = 600_000

export function createUnsignedRegistries(
  { now }: { now: () => number } = { now: () => performance.now() },
): UnsignedRegistries {
  const signing = new Set<string>()
  const unsigned = new Map<string, { readonly sinceMs: number; readonly names: Set<string> }>()

  function seenOf(registry: string): ReadonlySet<string> | undefined {
    const seen = unsigned.get(registry)
    if (seen === undefined || now() - seen.sinceMs < UNSIGNED_MS) return seen?.names
    unsigned.delete(registry)
    return undefined
  }

  return {
    has: (registry) => !signing.has(registry) && (seenOf(registry)?.size ?? 0) >= MAX_UNSIGNED,
    note(registry, name, isSigned) {
      if (isSigned) signing.add(registry)
      if (isSigned || (seenOf(registry)?.size ?? 0) >= MAX_UNSIGNED) return
      const seen = unsigned.get(registry) ?? { sinceMs: now(), names: new Set() }
      unsigned.set(registry, seen)
      seen.names.add(name)
    },
  }
}
