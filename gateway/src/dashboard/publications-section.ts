/**
 * What was published from this machine, how many others keep each of it, and what is kept here for others. A package's name is for
 * its owner, and for programs of this machine where everybody is told of it and its owner does not call it private; a stranger gets
 * numbers alone.
 */
import type { CatalogNode, PublishedName } from '@catalog-p2p/core'
import type { Viewer } from '../admin/viewer.ts'
import type { GatewayStats } from '../api.ts'
import type { Publication, PublicationsSection } from './snapshot.ts'

export interface PublicationSources {
  readonly node: CatalogNode
  readonly stats: () => GatewayStats
  /** Anybody may see it named. */
  readonly isOpenName: (name: string) => boolean
  /** How many connected machines keep a package of this one, by what they said last. */
  readonly keptBy: (published: PublishedName) => number
}

const MAX_NAMED = 50

export function publicationsSection(
  { node, stats, isOpenName, keptBy }: PublicationSources,
  viewer: Viewer,
): PublicationsSection {
  const { wanted, short } = stats().replication
  const { replicaBytes, replicaQuotaBytes } = node.stats().store
  const own = node.publications.own()
  const told = new Set(node.publications.told().map(({ name, publisher }) => name + publisher))
  const named = own
    .toSorted((a, b) => b.changedAtMs - a.changedAtMs)
    .slice(0, MAX_NAMED)
    .map((head): Publication => {
      const { name, publisher, tags, releases, changedAtMs } = head
      const isTold = told.has(name + publisher)
      const isNamed = viewer === 'owner' || isOpenName(name)
      const latest = tags.get('latest') ?? null
      return {
        ...(isNamed ? { name, latest } : { name: null, latest: null }),
        ...{ versions: releases.size, changedAtMs },
        kept: isTold ? keptBy(head) : null,
      }
    })
  return {
    ...{ packages: own.length, short, wanted, replicaBytes, replicaQuotaBytes },
    list: viewer === 'stranger' ? null : named,
  }
}
