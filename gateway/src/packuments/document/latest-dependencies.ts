/**
 * The packages that the latest version of a package depends on, for fetching their metadata ahead of a client (waterfall.ts):
 * names of a registry only, as npm and pnpm resolve them, peers that are not optional included. Pure; runs in packument-worker.ts.
 */
import { isPackageName } from '../../http/route.ts'
import type { Packument } from './packument-json.ts'

/** More than any package has that is meant well. */
const MAX_NAMES = 200

export function dependenciesOf({ versions = {}, 'dist-tags': tags }: Packument): string[] {
  const latest = tags?.latest ?? ''
  if (!Object.hasOwn(versions, latest)) return []
  const manifest = versions[latest] ?? {}
  const meta = recordOf(manifest.peerDependenciesMeta)
  const needed = {
    ...Object.fromEntries(
      Object.entries(recordOf(manifest.peerDependencies)).filter(
        ([name]) => recordOf(meta[name]).optional !== true,
      ),
    ),
    ...recordOf(manifest.dependencies),
    ...recordOf(manifest.optionalDependencies),
  }
  return Object.entries(needed)
    .filter(([name, range]) => isPackageName(name) && isRange(range))
    .map(([name]) => name)
    .slice(0, MAX_NAMES)
}

/** No URL, path or alias. */
function isRange(range: unknown): boolean {
  return typeof range === 'string' && !/[:/]/.test(range)
}

function recordOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}
