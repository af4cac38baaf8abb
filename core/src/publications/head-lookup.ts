/**
 * Looking for the newest head: what is known here, what peers that list it have, and what the DHT has. Only peers that list the
 * key are asked, and those that have not told yet what they list. Whatever comes is verified and goes through the head book, which refuses rollbacks and forks, so a peer can hide a
 * newer head and do nothing else. Whoever was asked and did not answer has not said that there is none: that is told apart.
 */
import type { Digest } from '../content/digest.ts'
import type { NameKey } from '../content/name-key.ts'
import { CatalogError, isCatalogError } from '../errors.ts'
import type { FoundValue, PeerId, ValueRouting } from '../host/host.ts'
import type { Logger } from '../log.ts'
import type { RequestProtocol } from '../rpc/protocol.ts'
import type { Clock } from '../timing/clock.ts'
import { raceSignal } from '../timing/race-signal.ts'
import { timeoutSignal } from '../timing/timeout-signal.ts'
import type { HeadBook, KnownHead } from './head-book.ts'
import { headKeyOf, headValueKey, type PublishedName } from './head-key.ts'
import { openHeadValue } from './head-pointer.ts'
import { MAX_HEAD_BYTES } from './head.ts'
import { HEADS } from './heads-protocol.ts'

/** What of the swarm a lookup needs. */
export interface SwarmQuestions {
  holders(key: NameKey): PeerId[]
  ask<Request, Response>(
    protocol: RequestProtocol<Request, Response>,
    question: { readonly peer: PeerId; readonly request: Request; readonly signal: AbortSignal },
  ): Promise<Response | undefined>
  penalize(peer: PeerId, reason: string): void
}

export interface HeadLookupDeps {
  readonly book: HeadBook
  readonly questions: SwarmQuestions
  /** undefined: no DHT. */
  readonly routing: ValueRouting | undefined
  /** The whole artifact, verified. @throws CatalogError when nobody has it, or it is larger than `maxBytes` */
  readonly fetch: (
    digest: Digest,
    options: { readonly signal: AbortSignal; readonly maxBytes: number },
  ) => Promise<Uint8Array>
  /** Connected peers that have not told yet what they hold, and may be asked for it now. */
  readonly newcomers: () => readonly PeerId[]
  /** A head has become the newest. */
  readonly onNewer: (key: NameKey) => void
  readonly clock: Clock
  readonly log: Logger
}

export interface HeadLookup {
  /**
   * @param options.maxAgeMs how long ago it may have been looked for; with 0 all who are asked have their whole time to answer
   * @param options.certain an older head is no answer while those that may have a newer one are silent
   * @throws CatalogError PEER_TIMEOUT when somebody who lists it did not answer and nothing is known; `signal.reason`
   */
  find(
    name: PublishedName,
    options: {
      readonly signal: AbortSignal
      readonly maxAgeMs: number
      readonly certain?: boolean
    },
  ): Promise<KnownHead | undefined>
  /** What the DHT has, now; the book knows it afterwards. Undefined without one; never rejects: what was found until `signal` aborts */
  walk(key: NameKey, signal: AbortSignal): Promise<FoundValue | undefined>
}

/** More would say the same. */
const MAX_ASKED = 5
const ASK_MS = 3_000
/** For the others when one has answered: half a round trip around the world more than it took. */
const GRACE_MS = 250
const WALK_MS = 20_000
/** For a head that is too large for a value of the DHT: nobody may have it any more. */
const FETCH_MS = 10_000
/** The DHT is not asked for a newer one than is known again before. */
const WALK_AGAIN_MS = 60_000
const MAX_REMEMBERED = 10_000

export function createHeadLookup(deps: HeadLookupDeps): HeadLookup {
  const { book, routing, clock } = deps
  /** Whether everybody who was asked has answered. */
  const running = new Map<string, Promise<boolean>>()
  const checkedAt = createTimes(clock)
  const walkedAt = createTimes(clock)

  /**
   * All at once: the newest of their answers counts. Unless everybody is to be heard, slow ones are not waited for when there is a head
   * and one has answered; what they say then is there for the next one who asks. Whether all that list it have answered.
   */
  async function askPeers(key: NameKey, isThorough: boolean): Promise<boolean> {
    const listing = deps.questions.holders(key).slice(0, MAX_ASKED)
    const isMissing = isThorough || book.get(key) === undefined
    // That nobody lists it says little while somebody has not told yet; that such a one is silent says nothing.
    const peers = isMissing ? [...new Set([...listing, ...deps.newcomers()])] : listing
    const signal = timeoutSignal(clock, ASK_MS)
    const enough = Promise.withResolvers<boolean>()
    const asking = peers.map(async (peer) => {
      const answered = await askPeer(deps, { peer, key, signal })
      if (answered && !isThorough && book.get(key) !== undefined)
        clock.after(GRACE_MS, () => enough.resolve(false))
      return answered
    })
    const all = Promise.all(asking).then((answered) =>
      answered.slice(0, listing.length).every(Boolean),
    )
    return await Promise.race([all, enough.promise])
  }

  async function askNetwork(key: NameKey, maxAgeMs: number, onKnown: () => void): Promise<void> {
    if (routing === undefined) return
    if (walkedAt.isWithin(key, book.get(key) === undefined ? maxAgeMs : WALK_AGAIN_MS)) return
    walkedAt.set(key)
    await walk(deps, key, { signal: timeoutSignal(clock, WALK_MS), onKnown })
  }

  async function look(
    key: NameKey,
    { maxAgeMs, isThorough }: { readonly maxAgeMs: number; readonly isThorough: boolean },
  ): Promise<boolean> {
    const answered = await askPeers(key, isThorough)
    const known = Promise.withResolvers<void>()
    const walking = askNetwork(key, maxAgeMs, known.resolve)
    // What is known is not held up; what the walk brings then is there for the next one who asks.
    if (book.get(key) === undefined) await Promise.race([walking, known.promise])
    checkedAt.set(key)
    return answered
  }

  return {
    async find(name, { signal, maxAgeMs, certain = false }) {
      signal.throwIfAborted()
      const key = headKeyOf(name)
      const known = book.get(key)
      // Of what is private not even a hash leaves this machine.
      if (known?.origin === 'hidden') return known
      // Of what is not known a peer may have told a moment ago: that it has been looked for is not enough.
      if (known !== undefined && checkedAt.isWithin(key, maxAgeMs)) return known
      const isThorough = certain || maxAgeMs === 0
      const place = `${key} ${isThorough}`
      let looking = running.get(place)
      if (looking === undefined) {
        looking = look(key, { maxAgeMs, isThorough }).finally(() => running.delete(place))
        running.set(place, looking)
      }
      const answered = await raceSignal(looking, signal)
      const found = book.get(key)
      const isAnswer = certain ? found?.head.digest !== known?.head.digest : found !== undefined
      if (answered || isAnswer) return found
      throw new CatalogError('PEER_TIMEOUT', `${name.name}: peers that list it did not answer`, {
        hint: 'they may have too much to do: try again',
      })
    },
    walk: (key, signal) => walk(deps, key, { signal }),
  }
}

/** Whether it has said what it has, be it nothing. What a liar says is no answer that anybody waits for. */
async function askPeer(
  { book, questions, onNewer, log }: HeadLookupDeps,
  { peer, key, signal }: { peer: PeerId; key: NameKey; signal: AbortSignal },
): Promise<boolean> {
  const before = book.get(key)?.head
  const known = before && { sequence: before.sequence, digest: before.digest }
  try {
    const statement = await questions.ask(HEADS, { peer, request: { key, known }, signal })
    if (statement === undefined) return true
    const { verdict, head } = book.accept(statement, { key })
    if (before && head.sequence < before.sequence) throw misbehaved('an older head than asked for')
    if (verdict === 'new') onNewer(key)
  } catch (error) {
    if (isCatalogError(error, 'PEER_MISBEHAVED')) questions.penalize(peer, error.message)
    else if (isCatalogError(error, 'INVALID_STATEMENT')) questions.penalize(peer, 'a forged head')
    else {
      log.debug('heads.not-answered', { peer, error })
      return false
    }
  }
  return true
}

/** @param options.onKnown there is something in the book: the walk may yet find a newer one */
async function walk(
  deps: HeadLookupDeps,
  key: NameKey,
  { signal, onKnown }: { readonly signal: AbortSignal; readonly onKnown?: () => void },
): Promise<FoundValue | undefined> {
  const { routing, log } = deps
  if (routing === undefined) return undefined
  let last: FoundValue | undefined
  try {
    for await (const found of routing.findValue(headValueKey(key), { signal })) {
      last = found
      await takeValue(deps, key, { value: found.value, signal })
      onKnown?.()
    }
  } catch (error) {
    log.debug('heads.not-found', { key, error }) // nobody's fault that could be named
  }
  return last
}

async function takeValue(
  { book, fetch, onNewer, clock }: HeadLookupDeps,
  key: NameKey,
  { value, signal }: { readonly value: Uint8Array; readonly signal: AbortSignal },
): Promise<void> {
  const { digest, head } = openHeadValue(value)
  if (digest !== book.get(key)?.head.digest) {
    const bounded = (): AbortSignal => AbortSignal.any([signal, timeoutSignal(clock, FETCH_MS)])
    const statement =
      head === undefined
        ? await fetch(digest, { signal: bounded(), maxBytes: MAX_HEAD_BYTES })
        : value
    if (book.accept(statement, { key }).verdict === 'new') onNewer(key)
  }
  if (head === undefined) book.keepPointer(key, { digest, pointer: value })
}

function misbehaved(what: string): CatalogError {
  return new CatalogError('PEER_MISBEHAVED', `the peer sent ${what}`)
}

/** When something was last done for a key. Bounded: what is forgotten is done again. */
function createTimes(clock: Clock): {
  set(key: NameKey): void
  isWithin(key: NameKey, ms: number): boolean
} {
  const times = new Map<NameKey, number>()
  return {
    set(key) {
      if (times.size >= MAX_REMEMBERED) times.clear()
      times.set(key, clock.now())
    },
    isWithin: (key, ms) => clock.now() - (times.get(key) ?? -Infinity) < ms,
  }
}
