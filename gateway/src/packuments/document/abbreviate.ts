/** The abbreviated form of metadata, as npm's registry documents it, made of a full document. Pure; runs in packument-worker.ts. */
import type { Manifest, Packument } from './packument-json.ts'

// What the abbreviated form keeps of a version, as npm's registry documents it.
const KEPT = [
  'name',
  'version',
  'deprecated',
  'dependencies',
  'optionalDependencies',
  'devDependencies',
  'bundleDependencies',
  'bundledDependencies',
  'peerDependencies',
  'peerDependenciesMeta',
  'acceptDependencies',
  'bin',
  'directories',
  'dist',
  'engines',
  'os',
  'cpu',
  'libc',
  'funding',
  'hasInstallScript',
  '_hasShrinkwrap',
] as const

/** The abbreviated form of a full document. `dist` objects are shared with it. */
export function abbreviate(document: Packument): Packument {
  const versions: Record<string, Manifest> = {}
  for (const [version, manifest] of Object.entries(document.versions ?? {})) {
    const short: Record<string, unknown> = {}
    for (const key of KEPT) if (manifest[key] !== undefined) short[key] = manifest[key]
    const { preinstall, install, postinstall } = manifest.scripts ?? {}
    if (preinstall ?? install ?? postinstall) short.hasInstallScript = true
    versions[version] = short
  }
  return {
    name: document.name,
    modified: document.modified ?? document.time?.modified,
    'dist-tags': document['dist-tags'] ?? {},
    versions,
  }
}
