/**
 * Two settings of V8's garbage collector, for the daemon's own process only. Without them every 64 MB that pass through
 * buffers start a full collection, which has nothing to collect in the heap and takes as much time again as the transfer:
 * `--external-memory-accounted-in-global-limit` counts buffers with the heap instead, and `--heap-growing-percent` lets both
 * grow to five times what lives before the next one (some 200 MB here). bench/profiles.md has it among what helped most.
 */
import { setFlagsFromString } from 'node:v8'

/** bench/lib/child.ts gives the same to its nodes. */
const COLLECTOR_FLAGS = [
  '--external-memory-accounted-in-global-limit',
  '--heap-growing-percent=400',
] as const

/** The V8 of Node 24; older ones do not know the first and would complain on stderr. */
const MIN_V8 = 13

export function tuneCollector(): void {
  const [major] = process.versions.v8.split('.')
  if (Number(major) < MIN_V8) return
  for (const flag of COLLECTOR_FLAGS) setFlagsFromString(flag)
}
