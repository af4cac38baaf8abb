/**
 * Search results of several sources as one list: upstream's first, then what this node knows itself, then what peers say of
 * packages that this node has evidence of, and last what nobody but a peer says exists. Pure. Never shows one name twice, and
 * lets no peer crowd out another's results.
 */

export interface FoundPackage {
  readonly name: string
  /** The latest, as the source says. */
  readonly version: string
  readonly description: string
  readonly keywords: readonly string[]
  readonly publishedAtMs: number | undefined
}

export interface SearchResult extends FoundPackage {
  readonly source: 'upstream' | 'local' | 'peer'
  /** false: nobody but peers says that there is such a package. What a peer says about one stays the peer's word either way. */
  readonly known: boolean
}

export interface Findings {
  readonly upstream: readonly FoundPackage[]
  readonly local: readonly FoundPackage[]
  /** A list per peer, the best peer's first. */
  readonly peers: readonly (readonly FoundPackage[])[]
}

/** Of a peer that is all there is, in one answer. */
export const MAX_UNKNOWN = 25

export function mergeFindings(
  { upstream, local, peers }: Findings,
  options: { readonly limit: number; readonly isKnown: (found: FoundPackage) => boolean },
): SearchResult[] {
  const results = new Map<string, SearchResult>()
  const add = (found: FoundPackage, said: Pick<SearchResult, 'source' | 'known'>): void => {
    if (!results.has(found.name)) results.set(found.name, { ...found, ...said })
  }
  for (const found of upstream) add(found, { source: 'upstream', known: true })
  for (const found of local) add(found, { source: 'local', known: true })
  const unknown: FoundPackage[] = []
  const asked = new Set<string>()
  for (const found of takeTurns(peers)) {
    if (asked.has(found.name)) continue
    asked.add(found.name)
    if (results.has(found.name)) continue
    if (options.isKnown(found)) add(found, { source: 'peer', known: true })
    else unknown.push(found)
  }
  for (const found of unknown.slice(0, MAX_UNKNOWN)) add(found, { source: 'peer', known: false })
  return [...results.values()].slice(0, options.limit)
}

/** The first of every list, then the second of every list, and so on. */
function* takeTurns<T>(lists: readonly (readonly T[])[]): Generator<T> {
  const longest = Math.max(0, ...lists.map((list) => list.length))
  for (let turn = 0; turn < longest; turn += 1) {
    for (const list of lists) {
      const item = list[turn]
      if (item !== undefined) yield item
    }
  }
}
