/**
 * The usual way of an artifact: the best peer that says it has it is asked, and nobody else, within the time that a request to it may
 * stay unanswered. Nearly every small one ends so, which is why nothing else is made for it. Where it ends otherwise (late, failed, or
 * with a claim, which is no answer) the race of all sources begins (download.ts), and the question goes on as its first attempt.
 */
import type { Digest } from '../../content/digest.ts'
import type { NameKey } from '../../content/name-key.ts'
import type { PeerId } from '../../host/host.ts'
import type { Course } from '../course.ts'
import type { TransferDeps } from '../transfer-deps.ts'
import { askPeer, type PeerAnswer } from './ask-peer.ts'
import { watchAttempt, type Attempt } from './hedge.ts'

export interface FirstAsk {
  readonly peer: PeerId
  /** The whole, verified; undefined when the race is to begin, or it is cancelled. Never rejects. */
  readonly bytes: Promise<Uint8Array | undefined>
  /** The same question as an attempt of that race. Run once. */
  readonly attempt: Attempt<PeerAnswer>
  /** At once; the peer is not to blame. */
  cancel(reason: unknown): void
}

/** What is asked for. `name`: of the version, where its record is missing. */
export interface FirstWish {
  readonly digest: Digest
  readonly name: NameKey | undefined
  readonly course: Course
}

export function askFirst(peer: PeerId, wish: FirstWish, deps: TransferDeps): FirstAsk {
  const { digest, course } = wish
  const asking = askPeer(peer, digest, deps, { isRetry: false, name: nameFor(peer, wish, deps) })
  const cancel = new AbortController()
  let isLate = false
  course.asked += 1
  const answer = asking.run(cancel.signal, () => undefined)
  const { promise: bytes, resolve } = Promise.withResolvers<Uint8Array | undefined>()
  const stop = watchAttempt(asking, deps.clock, () => {
    isLate = true
    course.late += 1
    asking.onLate?.()
    resolve(undefined)
  })
  const end = (): void => {
    stop()
    resolve(undefined)
  }
  answer.then((given) => {
    stop()
    if (given.kind === 'claim' || isLate || cancel.signal.aborted) return resolve(undefined)
    course.gave(peer)
    resolve(given.bytes)
  }, end)
  return {
    ...{ peer, bytes },
    attempt: {
      hedgeMs: undefined,
      run(signal, startNext) {
        if (isLate) startNext()
        signal.addEventListener('abort', () => cancel.abort(signal.reason), { once: true })
        return answer
      },
    },
    cancel(reason) {
      end()
      cancel.abort(reason)
    },
  }
}

/** By which to ask a peer: only one that lists it is told the name, and sends the record along. */
export function nameFor(
  peer: PeerId,
  { name }: Pick<FirstWish, 'name'>,
  { discovery }: Pick<TransferDeps, 'discovery'>,
): NameKey | undefined {
  if (name === undefined) return undefined
  return discovery.nameHolders(name).includes(peer) ? name : undefined
}
