/**
 * Trust on first use, where it was asked for: a package that nobody has bound and no registry has is looked for at peers, and bound to
 * the one key that publishes it. Two keys, and it is bound to none. Also answers peers who ask what this machine publishes.
 */
import {
  isCatalogError,
  type Answering,
  type CatalogNode,
  type KeyId,
  type Logger,
} from '@catalog-p2p/core'
import type { FirstUseFacts } from './origin-of-name.ts'
import { MAX_PUBLISHERS_TOLD, publishedMark, PUBLISHERS } from './publisher-messages.ts'
import type { Trust } from './trust.ts'

export interface FirstUseDependencies {
  readonly node: Pick<CatalogNode, 'questions' | 'publications'>
  readonly trust: Pick<Trust, 'originOf' | 'meet'>
  /** Names that never reach a peer. */
  readonly isPrivate: (name: string) => boolean
  /** What is known of a name at its registry when asking it has failed with `error`. */
  readonly atRegistry: (name: string, error: unknown) => FirstUseFacts['atRegistry']
  readonly log: Logger
}

export interface FirstUse {
  /** Whether a package that could not be had, for `error`, is bound to a publisher now. @throws `signal.reason` */
  tryAgain(name: string, error: unknown, signal: AbortSignal): Promise<boolean>
  stop(): Promise<void>
}

/** Asked, the best first. */
const MAX_PEERS = 8
const MAX_STREAMS_PER_PEER = 2

/** @param options `isWanted`: false only answers */
export function startFirstUse(
  deps: FirstUseDependencies,
  options: { readonly isWanted: boolean },
): FirstUse {
  const { node, trust, isPrivate, atRegistry, log } = deps
  const answering: Answering = node.questions.answer(PUBLISHERS, {
    maxStreamsPerPeer: MAX_STREAMS_PER_PEER,
    answer: ({ mark }) => Promise.resolve(publishersHere(deps, mark)),
  })

  async function ask(peer: string, mark: string, signal: AbortSignal): Promise<readonly KeyId[]> {
    try {
      return (await node.questions.ask(PUBLISHERS, { peer, request: { mark }, signal })) ?? []
    } catch (error) {
      signal.throwIfAborted()
      if (isCatalogError(error, 'PEER_MISBEHAVED')) node.questions.penalize(peer, error.message)
      return []
    }
  }

  /** Whose head of that name is there: what peers say is only where to look. */
  async function publishersOf(name: string, signal: AbortSignal): Promise<KeyId[]> {
    const peers = node.questions.peers().slice(0, MAX_PEERS)
    const told = await Promise.all(peers.map((peer) => ask(peer, publishedMark(name), signal)))
    const keys = [...new Set(told.flat())].slice(0, MAX_PUBLISHERS_TOLD)
    const heads = await Promise.all(
      keys.map((publisher) => node.publications.head({ name, publisher }, { signal })),
    )
    return keys.filter((_, index) => heads[index] !== undefined)
  }

  return {
    async tryAgain(name, error, signal) {
      if (!options.isWanted || trust.originOf(name).kind === 'network' || isPrivate(name))
        return false
      const known = atRegistry(name, error)
      if (known !== 'has it not' && known !== 'no registry') return false
      const [publisher, ...others] = await publishersOf(name, signal)
      if (publisher === undefined) return false
      if (others.length > 0) {
        const next = `find out whose it is, then "catalog trust add ${name} FINGERPRINT"`
        log.warn('trust.several-publishers', { name, publishers: [publisher, ...others], next })
        return false
      }
      return (await trust.meet({ name, publisher }, known)).verdict === 'bind'
    },
    stop: () => answering.stop(),
  }
}

/** Only what peers are told of anyway. */
function publishersHere(
  { node, isPrivate }: FirstUseDependencies,
  mark: string,
): readonly KeyId[] | undefined {
  const found = node.publications
    .told()
    .filter(({ name }) => publishedMark(name) === mark && !isPrivate(name))
    .map(({ publisher }) => publisher)
  return found.length === 0 ? undefined : [...new Set(found)].slice(0, MAX_PUBLISHERS_TOLD)
}
