/**
 * The guard in front of tarballs: a version is judged by its name before anything of it is fetched, from the version list of a
 * document at hand. Where age counts and no document says it, the metadata is fetched once; without any the version is refused,
 * unless this machine gave it out before under a rule as strict. What nothing but a hash says to be that version is judged by what its
 * own package.json calls it as well. Parses no packument.
 */
import type { Artifact, Digest, Logger } from '@catalog-p2p/core'
import { LRUCache } from 'lru-cache'
import { deniedBytes, deniedError } from '../guard/denied-error.ts'
import { isPackageName, isVersion } from '../http/route.ts'
import type { Guard } from '../guard/guard.ts'
import type { Denial } from '../guard/guarded-version.ts'
import type { Ledger } from '../guard/ledger.ts'
import { unknownAge } from '../guard/release-age.ts'
import type { PackumentCache } from '../packuments/cache/packument-cache.ts'
import type { Viewer } from '../packuments/packument-service.ts'
import type { TarballManifest } from '../packuments/peers/compare-manifest.ts'
import { readAlong } from '../packuments/peers/read-along.ts'
import type { VersionJudgements } from '../packuments/version-judgements.ts'
import { factsAtHand, type ArtifactRequest, type TargetDependencies } from './artifact-target.ts'

export interface GuardedArtifactsDependencies extends TargetDependencies {
  readonly cache: PackumentCache
  readonly guard: Guard
  readonly judgements: VersionJudgements
  readonly ledger: Pick<Ledger, 'wasAllowed'>
  readonly log: Logger
}

/** A denial, `allowed`, or `unknown`: no full document at hand has the version. */
type Verdict = Denial | 'allowed' | 'unknown'

export class GuardedArtifacts {
  readonly #deps: GuardedArtifactsDependencies
  /** Versions that were warned of. */
  readonly #warned = new LRUCache<string, true>({ max: 1_000 })

  constructor(deps: GuardedArtifactsDependencies) {
    this.#deps = deps
  }

  /** @throws CatalogError DENIED */
  async admit(request: ArtifactRequest, viewer: Viewer): Promise<void> {
    const { guard } = this.#deps
    const { name } = request
    if (!guard.mayDeny(name)) return
    const version = request.version ?? (await this.#versionOfFile(request, viewer))
    const denial = await this.#denialOf(request, viewer, version)
    if (denial !== undefined) throw deniedError({ name, version: version ?? request.file }, denial)
  }

  /** @throws CatalogError DENIED for bytes of a listed version, whatever they are asked for as */
  admitBytes({ name, version, file }: ArtifactRequest, digest: Digest | undefined): void {
    if (digest === undefined || !this.#deps.guard.isBad(digest)) return
    throw deniedBytes({ name, version: version ?? file })
  }

  /**
   * Of bytes that a hash alone has selected: the same, whose end comes only if what they call themselves is not denied either.
   * @throws CatalogError DENIED, here or at the end of the body
   */
  async admitNameless(artifact: Artifact, request: ArtifactRequest): Promise<Artifact> {
    if (!this.#deps.guard.hasRules) return artifact
    return await readAlong(artifact, async (reader) => {
      const called = await reader.end().then(nameIn, () => undefined)
      if (called === undefined) {
        const { name, version = request.file } = request
        throw deniedError({ name, version }, unknownAge('its bytes do not say what they are'))
      }
      const { name, version } = called
      if (name === request.name && version === request.version) return
      // What bytes call themselves is asked of nobody.
      const own = { ...request, name, version, file: undefined, upstream: 'never' } as const
      await this.admit(own, this.#deps.packuments.viewer(name, request.client))
    })
  }

  async #denialOf(
    request: ArtifactRequest,
    viewer: Viewer,
    version: string | undefined,
  ): Promise<Denial | undefined> {
    const { guard } = this.#deps
    const { name } = request
    if (version === undefined) return unknownAge('its file name does not tell its version')
    const bad = await this.#badNow(request, version)
    if (bad !== undefined || !guard.needsTimes(name)) return bad
    const known = await this.#verdictAtHand({ request, viewer, version })
    if (known !== 'unknown') return denialIn(known)
    return await this.#verdictAfterFetch({ request, viewer, version })
  }

  /** What was removed may be back: its registry is asked again if it is time to. */
  async #badNow(request: ArtifactRequest, version: string): Promise<Denial | undefined> {
    const { packuments, guard, log } = this.#deps
    const { name, client, upstream, signal } = request
    const bad = guard.bad(name, version)
    if (bad?.reason !== 'removed') return bad
    try {
      await packuments.get({ name, kind: 'abbreviated', client, upstream, signal })
    } catch (error) {
      signal.throwIfAborted()
      log.debug('guard.no-metadata', { name, version, error })
    }
    return guard.bad(name, version)
  }

  async #verdictAfterFetch(asked: Asked): Promise<Denial | undefined> {
    const { packuments, ledger, guard, log } = this.#deps
    const { request, version } = asked
    const { name, client, upstream, signal } = request
    const wanted = {
      what: `age of ${version}`,
      isHere: async () => (await this.#verdictAtHand(asked)) !== 'unknown',
    }
    try {
      await packuments.get({ name, kind: 'full', client, upstream, wanted, signal })
    } catch (error) {
      signal.throwIfAborted()
      log.debug('guard.no-metadata', { name, version, error })
    }
    const found = await this.#verdictAtHand(asked)
    if (found !== 'unknown') return denialIn(found)
    // Without age only a downgrade could be found, and there is nothing to compare with.
    if (!guard.needsAge(name) || ledger.wasAllowed(name, version, guard.minAgeMs)) return undefined
    return unknownAge('no metadata that says when it came out could be had')
  }

  async #verdictAtHand({ request, viewer, version }: Asked): Promise<Verdict> {
    const { cache, registries, judgements } = this.#deps
    const { name } = request
    const registry = registries.forName(name)?.url
    for (const document of cache.findByName(registry, name, viewer.owners)) {
      // What a peer says of a package decides nothing, unless witnesses have seen it.
      const isNobodys = document.peerFetchedAtMs !== undefined && !document.witness?.hasTimes
      if (document.kind !== 'full' || isNobodys) continue
      const judgement = await judgements.of(document)
      if (judgement?.known.has(version) !== true) continue
      const warning = judgement.warned.get(version)
      if (warning !== undefined) this.#warn(name, version, warning)
      return judgement.denied.get(version) ?? 'allowed'
    }
    return 'unknown'
  }

  async #versionOfFile(request: ArtifactRequest, viewer: Viewer): Promise<string | undefined> {
    const known = await factsAtHand(this.#deps, request, viewer)
    if (known !== undefined) return known.version
    const { name, client, upstream, signal } = request
    await this.#deps.packuments.get({ name, kind: 'full', client, upstream, signal })
    return (await factsAtHand(this.#deps, request, viewer))?.version
  }

  #warn(name: string, version: string, why: string): void {
    const key = `${name}@${version}`
    if (this.#warned.has(key)) return
    this.#warned.set(key, true)
    this.#deps.log.warn('guard.trust-downgrade', { name, version, why })
  }
}

interface Asked {
  readonly request: ArtifactRequest
  readonly viewer: Viewer
  readonly version: string
}

/** What a package calls itself; undefined: it is none. @throws SyntaxError */
export function nameIn({
  packageJson,
}: Pick<TarballManifest, 'packageJson'>): { name: string; version: string } | undefined {
  const { name, version } = (JSON.parse(packageJson) ?? {}) as Record<string, unknown>
  const isNamed = typeof name === 'string' && isPackageName(name)
  return isNamed && typeof version === 'string' && isVersion(version)
    ? { name, version }
    : undefined
}

function denialIn(verdict: Exclude<Verdict, 'unknown'>): Denial | undefined {
  return verdict === 'allowed' ? undefined : verdict
}
