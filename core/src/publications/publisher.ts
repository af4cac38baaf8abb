/**
 * Makes releases and heads with a key of this machine. In an order that a crash can't harm: the tarball and the release are on disk
 * before the head names them, and until the head is in the book nothing has changed for anybody. One change of a package at a
 * time. Never says over a head that it has not seen: where another machine has the same key, its newest head is looked for first.
 */
import { formatAssetId, isPackageName, isPackageVersion } from '../content/asset-id.ts'
import { digestOf, type Digest } from '../content/digest.ts'
import { CatalogError } from '../errors.ts'
import type { HybridKey } from '../signing/hybrid-key.ts'
import { keyIdOf } from '../signing/key-id.ts'
import type { Store } from '../store/store.ts'
import type { Clock } from '../timing/clock.ts'
import { createTurns } from '../timing/turns.ts'
import type { Visibility } from '../content/visibility.ts'
import type { HeadBook, KnownHead } from './head-book.ts'
import { headKeyOf, type PublishedName } from './head-key.ts'
import { MAX_HEAD_VALUE_BYTES, signHeadPointer } from './head-pointer.ts'
import { openHead, signHead, type Head, type HeadFields, type HeadRelease } from './head.ts'
import { openRelease, signRelease, type Release } from './release.ts'

export interface PublishInput {
  readonly name: string
  readonly version: string
  /** The .tgz, whole. */
  readonly tarball: Uint8Array
  /** What a registry would show of its package.json, as JSON; its `name` and `version` are those above. */
  readonly manifest: string
  /** To be set to this version: usually `['latest']`. */
  readonly tags: readonly string[]
  /** private: kept here, signed, and told to nobody; the same for all versions. Default public. */
  readonly visibility?: Visibility
}

/** What is to be different; everything else stays. */
export interface HeadChange {
  /** To a version; null removes the tag. */
  readonly tags?: Readonly<Record<string, string | null>>
  /** By version, why not to use it; null takes it back. */
  readonly deprecations?: Readonly<Record<string, string | null>>
  /** Gone for good: their numbers can't be used again. Tags that name them go with them. */
  readonly unpublish?: readonly string[]
}

export interface Publication {
  readonly release: Release
  readonly head: Head
  /** `catalog:<name>@<version>:<root>` */
  readonly assetId: string
}

export interface PublisherDeps {
  readonly book: HeadBook
  readonly store: Pick<Store, 'put' | 'describe' | 'flush'>
  readonly clock: Clock
  /** The newest head that can be found anywhere. */
  readonly findHead: (
    name: PublishedName,
    options: { readonly signal: AbortSignal },
  ) => Promise<KnownHead | undefined>
  /** It is in the book now. */
  readonly onHead: (known: KnownHead) => void
  readonly onRelease: (release: Release, statement: Uint8Array) => Promise<void>
}

export interface Publisher {
  /**
   * @throws CatalogError ALREADY_PUBLISHED, INVALID_NAME, INVALID_OPTIONS, INVALID_STATEMENT; PEER_TIMEOUT when peers list an
   *   earlier head of this key that is not known here, and did not give it; `signal.reason`
   */
  publish(
    input: PublishInput,
    key: HybridKey,
    options: { readonly signal: AbortSignal },
  ): Promise<Publication>
  /**
   * A package stays as private, or as public, as it is.
   * @param options.visibility private: nobody is asked, and of a package that peers may know nothing is changed
   * @throws CatalogError NOT_FOUND for a package or a version that is not there, INVALID_OPTIONS, INVALID_STATEMENT; `signal.reason`
   */
  change(
    name: string,
    change: HeadChange,
    options: {
      readonly key: HybridKey
      readonly signal: AbortSignal
      readonly visibility?: Visibility
    },
  ): Promise<Head>
}

export function createPublisher(deps: PublisherDeps): Publisher {
  const { book, clock, findHead } = deps
  const inTurn = createTurns()

  async function current(
    id: PublishedName,
    { signal, isPrivate }: { readonly signal: AbortSignal; readonly isPrivate: boolean },
  ): Promise<KnownHead | undefined> {
    // Nobody is asked for what nobody may hear of.
    const found = isPrivate ? undefined : await findHead(id, { signal })
    return found ?? book.get(headKeyOf(id))
  }

  function nextOf(known: KnownHead | undefined, name: string): HeadFields {
    const now = clock.epochMs()
    if (known === undefined) {
      const nothing = { releases: new Map(), tags: new Map(), unpublished: [] }
      return { name, sequence: 1, previous: undefined, changedAtMs: now, ...nothing }
    }
    const { head } = known
    // Over a fork by one number more: whichever side others have seen, this one is newer and contradicts neither.
    const isForked = book.forks().some((fork) => headKeyOf(fork.head) === headKeyOf(head))
    return {
      ...head,
      sequence: head.sequence + (isForked ? 2 : 1),
      previous: head.digest,
      changedAtMs: Math.max(now, head.changedAtMs),
    }
  }

  return {
    publish: (input, key, { signal }) => {
      const id = { name: input.name, publisher: keyIdOf(key.publicKey) }
      return inTurn({ key: headKeyOf(id), signal }, async () => {
        checkNames(input)
        const isPrivate = (input.visibility ?? 'public') === 'private'
        const known = await current(id, { signal, isPrivate })
        const fields = nextOf(known, input.name)
        checkVisibility(known, isPrivate)
        checkIsNew(fields, input.version)
        const { release, statement, digest } = await keepRelease(deps, { input, key })
        const head = await keepHead(deps, {
          fields: {
            ...fields,
            releases: new Map([...fields.releases, [input.version, { statement: digest }]]),
            tags: new Map([
              ...fields.tags,
              ...input.tags.map((tag) => [tag, input.version] as const),
            ]),
          },
          key,
          origin: isPrivate ? 'hidden' : 'own',
        })
        await deps.onRelease(release, statement)
        return { release, head, assetId: formatAssetId(release) }
      })
    },

    change: (name, change, { key, signal, visibility }) => {
      const id = { name, publisher: keyIdOf(key.publicKey) }
      return inTurn({ key: headKeyOf(id), signal }, async () => {
        const isPrivate = visibility === 'private'
        const known = await current(id, { signal, isPrivate })
        if (known === undefined) throw notFound(`${name} has not been published with this key`)
        if (isPrivate) checkVisibility(known, isPrivate)
        const origin = known.origin === 'hidden' ? 'hidden' : 'own'
        const fields = applyChange(nextOf(known, name), change)
        return await keepHead(deps, { fields, key, origin })
      })
    },
  }
}

async function keepRelease(
  { store, clock }: PublisherDeps,
  { input, key }: { readonly input: PublishInput; readonly key: HybridKey },
): Promise<{ release: Release; statement: Uint8Array; digest: Digest }> {
  const { name, version, tarball, manifest, visibility = 'public' } = input
  const options = { visibility, retention: 'own' } as const
  const tarballDigest = digestOf(tarball)
  await store.put(tarballDigest, tarball, options)
  const { size, chunkSize, root } = (await store.describe(tarballDigest)).manifest
  const publishedAtMs = clock.epochMs()
  const fields = { name, version, manifest, publishedAtMs, digest: tarballDigest }
  const statement = signRelease({ ...fields, size, chunkSize, root: Uint8Array.from(root) }, key)
  const digest = digestOf(statement)
  await store.put(digest, statement, options)
  await store.flush()
  return { release: openRelease(statement), statement, digest }
}

async function keepHead(
  { store, book, onHead }: PublisherDeps,
  made: { readonly fields: HeadFields; readonly key: HybridKey; readonly origin: 'own' | 'hidden' },
): Promise<Head> {
  const { fields, key, origin } = made
  const statement = signHead(fields, key)
  const head = openHead(statement)
  let pointer: Uint8Array | undefined
  if (origin === 'own' && statement.byteLength > MAX_HEAD_VALUE_BYTES) {
    pointer = signHeadPointer(head, key)
    await store.put(head.digest, statement, { visibility: 'public', retention: 'own' })
    await store.flush()
  }
  const { verdict } = book.accept(statement, { origin, pointer })
  if (verdict !== 'new') throw new Error(`a head of ${head.name} that is ${verdict}`)
  onHead({ head, statement, origin, pointer })
  return head
}

function checkNames({ name, version }: PublishInput): void {
  if (!isPackageName(name)) throw new CatalogError('INVALID_NAME', `not a package name: ${name}`)
  if (!isPackageVersion(version)) {
    throw new CatalogError('INVALID_NAME', `not a version: ${version}`)
  }
}

/** One head names all versions: a public one would tell of those that are private. */
function checkVisibility(known: KnownHead | undefined, isPrivate: boolean): void {
  if (known === undefined || (known.origin === 'hidden') === isPrivate) return
  const [is, asked] = isPrivate ? ['public', 'private'] : ['private', 'public']
  throw new CatalogError(
    'INVALID_OPTIONS',
    `${known.head.name} is ${is}: nothing of it can be ${asked}`,
    { hint: 'publish it under another name, or with another key' },
  )
}

function checkIsNew({ name, releases, unpublished }: HeadFields, version: string): void {
  if (!releases.has(version) && !unpublished.includes(version)) return
  throw new CatalogError(
    'ALREADY_PUBLISHED',
    `${name}@${version} ${releases.has(version) ? 'is published already' : 'was unpublished'}`,
    { hint: 'a version is never published twice: raise the version in package.json' },
  )
}

function applyChange(fields: HeadFields, change: HeadChange): HeadFields {
  const releases = new Map(fields.releases)
  const tags = new Map(fields.tags)
  for (const [version, reason] of Object.entries(change.deprecations ?? {})) {
    const { statement } = existing(releases, { name: fields.name, version })
    releases.set(version, reason === null ? { statement } : { statement, deprecated: reason })
  }
  for (const version of change.unpublish ?? []) {
    existing(releases, { name: fields.name, version })
    releases.delete(version)
    for (const [tag, tagged] of tags) if (tagged === version) tags.delete(tag)
  }
  for (const [tag, version] of Object.entries(change.tags ?? {})) {
    if (version !== null) existing(releases, { name: fields.name, version })
    if (version === null) tags.delete(tag)
    else tags.set(tag, version)
  }
  const unpublished = [...fields.unpublished, ...(change.unpublish ?? [])]
  return { ...fields, releases, tags, unpublished }
}

function existing(
  releases: ReadonlyMap<string, HeadRelease>,
  { name, version }: { readonly name: string; readonly version: string },
): HeadRelease {
  const release = releases.get(version)
  if (release === undefined) throw notFound(`${name} has no version ${version}`)
  return release
}

function notFound(what: string): CatalogError {
  return new CatalogError('NOT_FOUND', what)
}
