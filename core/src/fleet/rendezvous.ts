/**
 * Rendezvous hashing (highest random weight): which member of a group is responsible for a key, so that all that see the same
 * members agree without a word, and a member that comes or goes moves only its own share of the keys. Pure.
 * Thaler and Ravishankar, "Using name-based mappings to increase hit rates", IEEE/ACM Transactions on Networking 6(1), 1998.
 */
import { hash } from 'node:crypto'

/** The member with the highest weight for the key. @throws RangeError when there is no member */
export function responsibleFor<Member extends string>(
  key: string,
  members: readonly Member[],
): Member {
  let best: { member: Member; weight: string } | undefined
  for (const member of members) {
    const weight = hash('sha256', `${member} ${key}`, 'hex')
    if (best === undefined || weight > best.weight) best = { member, weight }
  }
  if (best === undefined) throw new RangeError('nobody can be responsible')
  return best.member
}
