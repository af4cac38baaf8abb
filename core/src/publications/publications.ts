/**
 * Packages of the network: published here with a key, found and read everywhere with nothing but the name and the publisher's key id.
 *
 *   const { release, head, assetId } = await node.publications.publish(
 *     { name, version, tarball, manifest, tags: ['latest'] }, key, { signal })        // npm publish
 *   await node.publications.change(name, { tags, deprecations, unpublish }, { key, signal })  // dist-tag, deprecate, unpublish
 *   const head = await node.publications.head({ name, publisher }, { signal })        // the newest that can be found
 *   const releases = await node.publications.releases(head, { signal })               // what a packument is made of
 *   await node.get(release.digest)                                                    // its tarball, as every other artifact
 *
 * A head (head.ts) is per name and publisher, so nobody takes another's place, and it is for the caller to know from a trust store
 * whose head counts for a name: this folder verifies who signed and never decides who may. `trustsPublisher` (node.ts) is where the
 * records of releases ask. Keys are made by `generateKey`, and where they are kept is not known here either.
 */
import type { NameKey } from '../content/name-key.ts'
import type { Digest } from '../content/digest.ts'
import { CatalogError } from '../errors.ts'
import type { Host, PeerId, ValueRouting } from '../host/host.ts'
import type { Logger } from '../log.ts'
import type { Random } from '../random.ts'
import type { Records } from '../records/records.ts'
import { keyIdOf } from '../signing/key-id.ts'
import type { Store } from '../store/store.ts'
import type { Clock } from '../timing/clock.ts'
import type { Fork, HeadBook, KnownHead } from './head-book.ts'
import { headKeyOf, type PublishedName } from './head-key.ts'
import { createHeadLookup, type SwarmQuestions } from './head-lookup.ts'
import { headValueKind } from './head-pointer.ts'
import type { Head } from './head.ts'
import { createPublisher, type HeadChange, type Publisher } from './publisher.ts'
import { recordOf } from './release-evidence.ts'
import { createReleaseReader, type FetchOptions, type ReleaseReader } from './release-reader.ts'
import type { Release } from './release.ts'
import { createRepublisher } from './republisher.ts'
import { createTold, type PeersTold } from './told-heads.ts'

/** A head younger than this is not looked for again. */
const FRESH_MS = 30_000

export interface Publications extends Publisher {
  /**
   * The newest head that can be found; undefined when nobody has one. `maxAgeMs`: how long ago it may have been looked for,
   * 30 s unless given. `certain`: an older one is no answer while those that may have a newer one are silent.
   * @throws CatalogError PEER_TIMEOUT when none is known and peers that list one did not answer: it may well be there;
   *   `signal.reason`
   */
  head(
    name: PublishedName,
    options: {
      readonly signal: AbortSignal
      readonly maxAgeMs?: number
      readonly certain?: boolean
    },
  ): Promise<Head | undefined>
  /** What is known here, without asking anybody. */
  knownHead(name: PublishedName): Head | undefined
  /** What is known here as it was signed; undefined for a private package, one that was public before too. */
  offered(name: PublishedName): Uint8Array | undefined
  /**
   * A head that a peer has sent, for this very name and publisher: the newest that is known afterwards. Undefined when it contradicts
   * the one that is known.
   * @throws CatalogError INVALID_STATEMENT
   */
  take(name: PublishedName, statement: Uint8Array): Head | undefined
  /**
   * Undefined when nobody has it now.
   * @throws CatalogError PEER_TIMEOUT when peers that say they have it did not give it; what the store throws; `signal.reason`
   */
  release(
    head: Head,
    version: string,
    options: { readonly signal: AbortSignal },
  ): Promise<Release | undefined>
  /** Of all versions of a head those that somebody has, in its order. @throws as `release` */
  releases(head: Head, options: { readonly signal: AbortSignal }): Promise<Release[]>
  /** Packages that were published with keys of this machine. */
  own(): Head[]
  /** Those of them that peers are told of: neither published as private, nor private since. */
  told(): Head[]
  /** Publishers that have signed two different heads of one number, with both. */
  forks(): Fork[]
  /** Forgets what is known of a package: its next head is believed whatever its number. Whether anything was known. */
  forget(name: PublishedName): boolean
}

export interface PublicationsDeps {
  readonly book: HeadBook
  readonly store: Pick<Store, 'put' | 'describe' | 'flush' | 'delete'>
  readonly questions: SwarmQuestions & PeersTold & { withdraw(key: NameKey): void }
  /** undefined: no DHT. */
  readonly routing: ValueRouting | undefined
  readonly host: Pick<Host, 'onEvent'>
  readonly records: Pick<Records, 'add'>
  /** Whose heads this machine keeps in the DHT for them. */
  readonly trusts: (published: PublishedName) => boolean
  /** Names that no peer may hear of, not even by a hash, whatever it was told before. undefined: there are none. */
  readonly isPrivate: ((name: string) => boolean) | undefined
  readonly transfer: {
    get(
      digest: Digest,
      options: { readonly signal: AbortSignal; readonly peers?: boolean },
    ): Promise<{ readonly body: AsyncIterable<Uint8Array> }>
  }
  /** Connected peers that have not told yet what they hold, and may be asked for it now. */
  readonly newcomers: () => readonly PeerId[]
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

/**
 * `start` it after discovery, stop it before; `heads`, which announces and answers, before the host. Made before the host starts: values
 * of the DHT need their kind by then.
 */
export function createPublications(deps: PublicationsDeps): Publications & {
  start(): void
  stop(): Promise<void>
  readonly heads: { start(): Promise<void>; stop(): Promise<void> }
} {
  const { book, questions, routing, clock, log, transfer, records, isPrivate } = deps
  routing?.acceptValues(headValueKind({ newest: (key) => book.get(key)?.head.sequence ?? 0 }))
  const onRelease = async (release: Release, statement: Uint8Array): Promise<void> => {
    await records.add(recordOf(release, statement))
  }
  const { isTold, told, answer, ...heads } = createTold(deps)
  const onHead = (known: KnownHead): void => {
    if (!isTold(known)) return
    const { head } = known
    questions.announce(headKeyOf(head))
    republisher?.put(headKeyOf(head))
  }
  const onNewer = (key: NameKey): void => {
    const known = book.get(key)
    if (known !== undefined) onHead(known)
  }
  const fetch = async (
    digest: Digest,
    { maxBytes, ...options }: FetchOptions,
  ): Promise<Uint8Array> => await collect((await transfer.get(digest, options)).body, maxBytes)
  const lookup = createHeadLookup({ ...deps, fetch, onNewer })
  const republisher =
    routing &&
    createRepublisher({ ...deps, routing, isTold, look: (key, signal) => lookup.walk(key, signal) })
  const findHead = (name: PublishedName, { signal }: { signal: AbortSignal }) =>
    lookup.find(name, { signal, maxAgeMs: 0 })
  const publisher = createPublisher({ ...deps, findHead, onHead, onRelease })
  const reader = createReleaseReader({ fetch, onRelease, isPrivate, clock, log })
  const stopping = new AbortController()

  return {
    publish: (input, key, options) => publisher.publish(input, key, options),
    async change(name, change, options) {
      const before = book.get(headKeyOf({ name, publisher: keyIdOf(options.key.publicKey) }))?.head
      const head = await publisher.change(name, change, options)
      if (before !== undefined)
        await dropUnpublished({ ...deps, reader }, before, { ...change, ...options })
      return head
    },
    async head(name, { maxAgeMs = FRESH_MS, ...options }) {
      return (await lookup.find(name, { ...options, maxAgeMs }))?.head
    },
    knownHead: (name) => book.get(headKeyOf(name))?.head,
    offered: (name) => answer({ key: headKeyOf(name), known: undefined }),
    take: (name, statement) => takeHead({ book, onNewer }, headKeyOf(name), statement),
    release: (head, version, options) => reader.read(head, version, options),
    releases: (head, options) => reader.readAll(head, options),
    own: () =>
      (['own', 'hidden'] as const).flatMap((origin) =>
        book.keys(origin).flatMap((key) => book.get(key)?.head ?? []),
      ),
    told,
    forks: () => book.forks(),
    forget(name) {
      questions.withdraw(headKeyOf(name))
      return book.forget(headKeyOf(name))
    },
    heads,
    start() {
      const unsubscribe = deps.host.onEvent(({ type }) => {
        if (type === 'connected') republisher?.retry()
      })
      stopping.signal.addEventListener('abort', unsubscribe)
      republisher?.start()
    },
    async stop() {
      stopping.abort()
      await Promise.all([republisher?.stop(), reader.stop()])
    },
  }
}

/** Own artifacts are never evicted: what was unpublished goes now, and with it its announcement and its name. */
async function dropUnpublished(
  { store, reader }: Pick<PublicationsDeps, 'store'> & { readonly reader: ReleaseReader },
  before: Head,
  { unpublish = [], signal }: Pick<HeadChange, 'unpublish'> & { readonly signal: AbortSignal },
): Promise<void> {
  for (const version of unpublish) {
    // What others have and do not give now is not here either.
    const release = await reader.read(before, version, { signal }).catch(() => undefined)
    if (release !== undefined) await store.delete(release.digest)
    const { statement } = before.releases.get(version) ?? {}
    if (statement !== undefined) await store.delete(statement)
  }
}

function takeHead(
  { book, onNewer }: { readonly book: HeadBook; readonly onNewer: (key: NameKey) => void },
  key: NameKey,
  statement: Uint8Array,
): Head | undefined {
  const { verdict } = book.accept(statement, { key })
  if (verdict === 'new') onNewer(key)
  return verdict === 'fork' ? undefined : book.get(key)?.head
}

/** @throws CatalogError INVALID_STATEMENT for more than `maxBytes` */
async function collect(body: AsyncIterable<Uint8Array>, maxBytes: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let size = 0
  for await (const part of body) {
    size += part.byteLength
    if (size > maxBytes) throw new CatalogError('INVALID_STATEMENT', `over ${maxBytes} bytes`)
    parts.push(part)
  }
  return Buffer.concat(parts, size)
}
