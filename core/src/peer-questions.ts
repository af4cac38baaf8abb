/**
 * Questions that the users of a node ask connected peers in protocols of their own, such as metadata and search: found by the
 * names that peers list, ranked by how they answered such questions, penalized as for every other request; answers go on the
 * same budget as all uploads. The core knows none of what is asked or answered.
 */
import type { PeerQuestions } from './api.ts'
import type { SwarmDiscovery } from './discovery/swarm-discovery.ts'
import { CatalogError, isCatalogError } from './errors.ts'
import type { Host, PeerId } from './host/host.ts'
import type { Logger } from './log.ts'
import { createAnswering, type AnswerBudget } from './rpc/answer.ts'
import { ask } from './rpc/ask.ts'
import type { Clock } from './timing/clock.ts'
import { createTurns } from './timing/turns.ts'
import { createPeerScores, type PeerScores } from './transfer/peer-score.ts'
import type { Uploads } from './transfer/serving/uploads.ts'

/** Questions of one protocol that wait for their turn at one peer. */
const MAX_WAITING = 4_096

export function createPeerQuestions(
  deps: {
    readonly host: Host
    readonly clock: Clock
    readonly log: Logger
    readonly discovery: SwarmDiscovery
    readonly scores: PeerScores
    readonly uploads: Uploads
  },
  { seed }: { readonly seed: boolean },
): PeerQuestions {
  const { host, clock, discovery, scores } = deps
  // How peers answer questions, apart from how they send artifacts: one that does the one well may let the other hang.
  const manners = createPeerScores(clock, () => undefined)
  const budget = createAnswerBudget(deps)
  // A peer resets the streams that are more than it accepts at once: what would be too many waits here.
  const inTurn = createTurns({
    checkLine(waiting) {
      if (waiting < MAX_WAITING) return
      throw new CatalogError('PEER_BUSY', 'too many questions wait for this peer')
    },
  })
  const underWay = new Map<PeerId, number>()
  const outstanding = (peer: PeerId): number => underWay.get(peer) ?? 0

  /** Best first. Those that have let questions hang are left out for a while, if there are others. */
  function rank(peers: readonly PeerId[]): PeerId[] {
    const ranked = manners.rank(
      peers.filter((peer) => !scores.isBanned(peer)),
      outstanding,
    )
    const able = ranked.filter((peer) => !manners.isBackedOff(peer))
    return able.length > 0 ? able : ranked
  }

  function count(peer: PeerId, by: number): void {
    const left = outstanding(peer) + by
    if (left === 0) underWay.delete(peer)
    else underWay.set(peer, left)
  }

  return {
    holders: (key) => rank(discovery.nameHolders(key)),
    peers: () => rank(host.peers().map(({ peer }) => peer)),
    announce(key) {
      if (seed) discovery.announceName(key)
    },
    withdraw: (key) => discovery.withdrawName(key),
    async ask(protocol, question) {
      const { peer, signal } = question
      const mayTakeLong = protocol.beatMs !== undefined // that says nothing of how it answers others
      count(peer, 1)
      try {
        const { id, maxAtOnce: places } = protocol
        const work = async () => {
          const startedAtMs = clock.now()
          const response = await ask(deps, protocol, question)
          if (!mayTakeLong)
            manners.answered(peer, { answerMs: clock.now() - startedAtMs, bytes: 0 })
          return response
        }
        if (places === undefined) return await work()
        return await inTurn({ key: `${id} ${peer}`, places, signal }, work)
      } catch (error) {
        if (isCatalogError(error, 'PEER_TIMEOUT') && !mayTakeLong) manners.recordTimeout(peer)
        throw error
      } finally {
        count(peer, -1)
      }
    },
    answer(protocol, options) {
      const onMisbehaviour = scores.penalize
      const answering = createAnswering({ ...deps, budget, onMisbehaviour }, protocol, options)
      if (seed) answering.start()
      return answering
    },
    penalize: scores.penalize,
  }
}

/** The memory and the token buckets of everything that this node sends to peers. */
function createAnswerBudget({ host, uploads }: { host: Host; uploads: Uploads }): AnswerBudget {
  return {
    hold: (peer, bytes, act) =>
      uploads.memory.hold({ peer, group: host.groupOf(peer) ?? peer }, bytes, act),
    async send(peer, bytes, signal) {
      await uploads.limitOf(peer).take(bytes, signal)
      uploads.count(peer, bytes, false)
    },
  }
}
