/**
 * The guard of this gateway: its rules, and the list of known malware, which is read at the start, when its file changes, hourly
 * from a URL, and when told to. It judges versions and remembers which bytes are bad; it serves, fetches and removes nothing. Off
 * unless an option says otherwise: then every question is answered by one comparison.
 */
import type { Digest, Logger } from '@catalog-p2p/core'
import type { Upstream } from '../upstream/upstream.ts'
import type { Denial, GuardedVersion, Judgement } from './guarded-version.ts'
import { MalwareList } from './malware-list.ts'
import { isListUrl, markOf, readMalwareList } from './malware-source.ts'
import { judgeVersions, malwareDenial, takedownDenial } from './policy.ts'
import { isListed } from './release-age.ts'
import { REMOVED, type NamedPackage, type Takedown, type Takedowns } from './takedowns.ts'

export interface GuardOptions {
  /** 0: versions of any age. */
  readonly minReleaseAgeMs: number
  readonly minReleaseAgeExclude: readonly string[]
  readonly malwareList?: string | undefined
  readonly trustDowngrade: 'off' | 'warn' | 'refuse'
  /** Versions that were removed from their registry. */
  readonly takedown: 'off' | 'deny'
}

/** Where takedowns are kept, and which registry a name is of. */
export interface TakedownPlace {
  readonly list: Takedowns
  /** undefined: of none that is known. */
  readonly registryOf: (name: string) => string | undefined
}

export interface GuardDependencies {
  readonly upstream: Upstream
  readonly log: Logger
  /** Whether the registry of a package must have signed its versions; absent: no registry must. */
  readonly mustBeSigned?: (name: string) => boolean
  readonly now?: () => number
  /** How often the file is looked at, milliseconds. */
  readonly fileCheckMs?: number
}

export interface GuardStatus {
  readonly minReleaseAgeMs: number
  readonly minReleaseAgeExclude: readonly string[]
  readonly trustDowngrade: 'off' | 'warn' | 'refuse'
  readonly takedown: { readonly policy: 'off' | 'deny'; readonly versions: number }
  /** null: no list is configured. */
  readonly malware: {
    readonly records: number
    readonly names: number
    /** Records that make no sense. */
    readonly skipped: number
    readonly readAt: string
    /** Why the last reading failed, and the list is an older one. */
    readonly problem: string | null
    /** Artifacts known here that are on it. */
    readonly digests: number
  } | null
}

const FILE_CHECK_MS = 10_000
const URL_READ_MS = 3_600_000

export class Guard {
  readonly #deps: GuardDependencies
  readonly #options: GuardOptions
  readonly #now: () => number
  #list = new MalwareList()
  #mark: string | undefined
  #readAtMs = 0
  #problem: string | undefined
  #timer: NodeJS.Timeout | undefined
  #reading: Promise<void> | undefined
  #badDigests: ReadonlySet<Digest> = new Set()
  /** Another number after every change of the rules: what was judged before is judged anew. */
  #generation = 0
  readonly #listeners = new Set<() => Promise<void>>()
  #takedowns: TakedownPlace | undefined

  constructor(deps: GuardDependencies, options: GuardOptions) {
    this.#deps = deps
    this.#options = options
    this.#now = deps.now ?? Date.now
  }

  get generation(): number {
    return this.#generation
  }

  get minAgeMs(): number {
    return this.#options.minReleaseAgeMs
  }

  /** @throws CatalogError when the list can't be read: a guard that is asked for and not there is none */
  async start(): Promise<void> {
    const source = this.#options.malwareList
    if (source === undefined) return
    await this.#read(source)
    const period = isListUrl(source) ? URL_READ_MS : (this.#deps.fileCheckMs ?? FILE_CHECK_MS)
    this.#timer = setInterval(() => void this.#refresh(source), period).unref()
  }

  close(): void {
    clearInterval(this.#timer)
  }

  /** Runs it now, if there is a list, and after each reading; `update` waits for it. */
  async onList(listener: () => Promise<void>): Promise<void> {
    this.#listeners.add(listener)
    if (this.hasList() || (this.#takedowns?.list.size ?? 0) > 0) await listener()
  }

  /** Reads the list again. @throws what reading it throws; the list at hand stays */
  async update(): Promise<void> {
    const source = this.#options.malwareList
    if (source !== undefined) await this.#read(source)
  }

  /** Whether any rule can deny a version of it. False, at the price of a few look-ups, for nearly every package. */
  mayDeny(name: string): boolean {
    const isKnown = this.#list.has(name) || this.#mayBeDown(name)
    return isKnown || this.needsTimes(name) || this.#mustBeSigned(name)
  }

  /** Whether any rule can deny anything, whatever it is called. */
  get hasRules(): boolean {
    const { minReleaseAgeMs, trustDowngrade } = this.#options
    const isDown = this.#options.takedown === 'deny' && (this.#takedowns?.list.size ?? 0) > 0
    return minReleaseAgeMs > 0 || trustDowngrade !== 'off' || this.hasList() || isDown
  }

  /** Whether its versions are judged by when they came out, which only full documents say. */
  needsTimes(name: string): boolean {
    const { trustDowngrade } = this.#options
    return trustDowngrade !== 'off' || this.needsAge(name)
  }

  /** Whether its versions must have an age. */
  needsAge(name: string): boolean {
    const { minReleaseAgeMs, minReleaseAgeExclude } = this.#options
    return minReleaseAgeMs > 0 && !isListed(name, minReleaseAgeExclude)
  }

  judge(name: string, versions: readonly GuardedVersion[]): Judgement {
    const { minReleaseAgeMs, trustDowngrade } = this.#options
    const rules = {
      age: this.needsAge(name) ? { minMs: minReleaseAgeMs } : undefined,
      trustDowngrade,
      mustBeSigned: this.#mustBeSigned(name),
      bad: (version: string) => this.bad(name, version),
    }
    return judgeVersions(versions, rules, this.#now())
  }

  /** Whether `judgement` has to be made anew by now. */
  isOver({ untilMs }: Judgement): boolean {
    return untilMs <= this.#now()
  }

  /** Whatever its age is: malware, or taken down. */
  bad(name: string, version: string): Denial | undefined {
    return malwareDenial(this.malwareId(name, version)) ?? takedownDenial(this.#down(name, version))
  }

  /** Of the record that names it. */
  malwareId(name: string, version: string): string | undefined {
    return this.#list.find(name, version)
  }

  /** Whether any version of it is known malware. */
  isListed(name: string): boolean {
    return this.#list.has(name)
  }

  useTakedowns(place: TakedownPlace): void {
    this.#takedowns = place
  }

  /** Versions that this machine has seen the registry remove, with the reason. */
  removedFrom(registry: string, name: string): Record<string, string> {
    const all = [...(this.#takedowns?.list.of({ registry, name }) ?? [])]
    const own = all.filter(([, { by, reason }]) => by === 'registry' && reason === REMOVED)
    return Object.fromEntries(own.map(([version, { reason }]) => [version, reason]))
  }

  downOf(of: NamedPackage): string[] {
    return [...(this.#takedowns?.list.of(of).keys() ?? [])]
  }

  /** Something was taken down: what was judged before is judged anew, and leaves the store where that is wanted. */
  takeDown(of: NamedPackage, given: ReadonlyMap<string, Takedown>): void {
    const news = this.#takedowns?.list.add(of, given) ?? []
    if (news.length === 0) return
    const [by] = [...given.values()].map((each) => each.by)
    this.#deps.log.warn('guard.taken-down', { ...of, versions: news.slice(0, 20), by })
    this.#changed()
  }

  /** The registry has these, as of `atMs`. */
  restore(of: NamedPackage, versions: readonly string[], atMs: number): void {
    const over = this.#takedowns?.list.restore(of, versions, atMs) ?? []
    if (over.length === 0) return
    this.#deps.log.warn('guard.restored', { ...of, versions: over.slice(0, 20) })
    this.#changed()
  }

  isBad(digest: Digest): boolean {
    return this.#badDigests.has(digest)
  }

  /** All artifacts that are known to be bytes of listed versions. */
  setBad(digests: ReadonlySet<Digest>): void {
    this.#badDigests = digests
  }

  hasList(): boolean {
    return this.#options.malwareList !== undefined
  }

  status(): GuardStatus {
    const { minReleaseAgeMs, minReleaseAgeExclude, trustDowngrade } = this.#options
    const { records, names, skipped } = this.#list
    const readAt = new Date(this.#readAtMs).toISOString()
    const problem = this.#problem ?? null
    const digests = this.#badDigests.size
    const malware = this.hasList() ? { records, names, skipped, readAt, problem, digests } : null
    const versions = this.#takedowns?.list.size ?? 0
    const takedown = { policy: this.#options.takedown, versions }
    return { minReleaseAgeMs, minReleaseAgeExclude, trustDowngrade, takedown, malware }
  }

  #mayBeDown(name: string): boolean {
    return this.#options.takedown === 'deny' && this.#takedowns?.list.has(name) === true
  }

  #down(name: string, version: string): Takedown | undefined {
    if (!this.#mayBeDown(name)) return undefined
    const registry = this.#takedowns?.registryOf(name)
    if (registry === undefined) return undefined
    return this.#takedowns?.list.of({ registry, name }).get(version)
  }

  #changed(): void {
    this.#generation += 1
    for (const listener of this.#listeners) {
      listener().catch((error: unknown) => this.#deps.log.warn('guard.not-applied', { error }))
    }
  }

  #mustBeSigned(name: string): boolean {
    return this.#deps.mustBeSigned?.(name) === true
  }

  async #refresh(source: string): Promise<void> {
    try {
      const mark = await markOf(source)
      if (mark !== undefined && mark === this.#mark) return
      await this.#read(source)
    } catch (error) {
      const isNew = this.#problem !== String(error)
      this.#problem = String(error)
      if (isNew)
        this.#deps.log.warn('guard.list-not-read', { error, effect: 'the older list counts' })
    }
  }

  #read(source: string): Promise<void> {
    this.#reading ??= this.#readOnce(source).finally(() => (this.#reading = undefined))
    return this.#reading
  }

  async #readOnce(source: string): Promise<void> {
    // What makes no sense is not read again before it has changed.
    this.#mark = await markOf(source)
    const list = await readMalwareList(this.#deps.upstream, source)
    this.#list = list
    this.#readAtMs = this.#now()
    this.#problem = undefined
    this.#generation += 1
    const { records, names, skipped } = list
    this.#deps.log.info('guard.list-read', { records, names, skipped })
    for (const listener of this.#listeners) await listener()
  }
}
