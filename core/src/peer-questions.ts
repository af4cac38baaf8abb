/**
 * Questions that the users of a node ask connected peers in protocols of their own, such as metadata and search: found by the
 * names that peers list, ranked and penalized as every other request. The core knows none of what is asked or answered.
 */
import type { PeerQuestions } from './api.ts'
import type { SwarmDiscovery } from './discovery/swarm-discovery.ts'
import type { Host } from './host/host.ts'
import type { Logger } from './log.ts'
import { createAnswering } from './rpc/answer.ts'
import { ask } from './rpc/ask.ts'
import type { Clock } from './timing/clock.ts'
import type { PeerScores } from './transfer/peer-score.ts'

export function createPeerQuestions(
  deps: {
    readonly host: Host
    readonly clock: Clock
    readonly log: Logger
    readonly discovery: SwarmDiscovery
    readonly scores: PeerScores
  },
  { seed }: { readonly seed: boolean },
): PeerQuestions {
  const { host, discovery, scores } = deps
  const outstanding = (): number => 0
  return {
    holders: (key) => scores.rank(discovery.nameHolders(key), outstanding),
    peers: () =>
      scores.rank(
        host.peers().map(({ peer }) => peer),
        outstanding,
      ),
    announce(key) {
      if (seed) discovery.announceName(key)
    },
    withdraw: (key) => discovery.withdrawName(key),
    ask: (protocol, question) => ask(deps, protocol, question),
    answer(protocol, options) {
      const onMisbehaviour = scores.penalize
      const answering = createAnswering({ ...deps, onMisbehaviour }, protocol, options)
      if (seed) answering.start()
      return answering
    },
    penalize: scores.penalize,
  }
}
