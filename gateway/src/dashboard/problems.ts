/** What should be otherwise, each with the next step, from the state alone: nothing is tried out for it. Pure. */
import type { NodeStats } from '@catalog-p2p/core'
import type { Viewer } from '../admin/viewer.ts'
import type { GatewayStats } from '../api.ts'
import type { GuardStatus } from '../guard/guard.ts'
import type { Problem } from './snapshot.ts'

export interface ProblemSources {
  readonly node: NodeStats
  readonly gateway: GatewayStats
  readonly guard: GuardStatus
}

export function findProblems(
  { node, gateway, guard }: ProblemSources,
  viewer: Viewer,
): readonly Problem[] {
  if (viewer === 'stranger') return []
  const { store, network } = node
  const found: (Problem | undefined)[] = [
    store.writable
      ? undefined
      : {
          text: 'The store cannot be written: nothing new is kept, and nothing new is given to peers.',
          next: 'Free space on its disk, or see who may write there; "catalog config" says where it is.',
        },
    unreachable(gateway),
    network.isAnnounceFailing
      ? {
          text: 'Nobody takes our announcements: peers beyond the connected ones do not learn what is here.',
          next: '"catalog doctor" says what of the network does not work.',
        }
      : undefined,
    staleList(guard),
    unsignedBuilds(gateway),
    ...node.problems.map((text) => ({ text, next: '"catalog doctor" says more.' })),
  ]
  return found.filter((problem) => problem !== undefined)
}

/** Only when that is the rule, not the exception. */
function unreachable({ upstreamRequests, upstreamFailures }: GatewayStats): Problem | undefined {
  if (upstreamFailures < 3 || upstreamFailures * 2 < upstreamRequests) return undefined
  return {
    text: `Of ${upstreamRequests} requests to the registry ${upstreamFailures} failed on the network.`,
    next: 'What peers and the store have goes on. "catalog doctor" asks the registry and says what is wrong.',
  }
}

function unsignedBuilds({ builds }: GatewayStats): Problem | undefined {
  if (!builds.isShared || builds.unsigned === 0) return undefined
  return {
    text: `Of the build results written here ${builds.unsigned} are for this machine only: no key of it may sign them.`,
    next: 'Name one for it: "catalog key new", then "catalog trust add @build-results FINGERPRINT" on every machine.',
  }
}

function staleList({ malware }: GuardStatus): Problem | undefined {
  if (malware === null || malware.problem === null) return undefined
  return {
    text: `The list of known malware could not be read again: ${malware.problem}`,
    next: 'The list read before still counts. Mend its file or URL, then "catalog guard update".',
  }
}
