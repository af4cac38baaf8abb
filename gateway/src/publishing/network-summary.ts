/** What a search shows of a package of the network, from what its publishers have signed. Pure. */
import { registryOf } from '@catalog-p2p/core'
import type { DocumentKey } from '../packuments/cache/cached-document.ts'
import { summaryOf, type PackageSummary } from '../packuments/document/package-summary.ts'
import type { NetworkPackage } from './network-packages.ts'

/** `key`: of the publisher of that version, who stands for a registry; undefined when nothing can be installed. */
export function networkSummary({
  name,
  versions,
  tags,
}: Pick<NetworkPackage, 'name' | 'versions' | 'tags'>):
  { readonly key: DocumentKey; readonly summary: PackageSummary } | undefined {
  const latest = tags.get('latest') ?? [...versions.keys()].at(-1) ?? ''
  const { release } = versions.get(latest) ?? {}
  if (release === undefined) return undefined
  const { publisher, publishedAtMs, manifest } = release
  const summary = summaryOf({
    'dist-tags': { latest },
    // Checked to be an object of this name and version when its signature was.
    versions: { [latest]: JSON.parse(manifest) as Readonly<Record<string, unknown>> },
    time: { [latest]: new Date(publishedAtMs).toISOString() },
  })
  return summary && { key: { registry: registryOf(publisher), name, owner: '' }, summary }
}

/** Whether what stands for a registry is a publisher of the network. */
export function isPublisher(registry: string): boolean {
  return registry.startsWith('catalog-key:')
}
