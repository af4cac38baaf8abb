/** Where documents of a machine of our certified swarm are taken in: what one that is refused means. */
import type { TrustedKey } from '../../keys/trusted-keys.ts'
import type { ReceivedDocument } from '../packument-source.ts'
import type { MemberRefusal } from './check-member-document.ts'
import type { Members } from './members.ts'

export interface MemberIntake extends Pick<Members, 'distrust'> {
  /** Those that this user has for a registry. */
  keysOf(registry: string): Promise<readonly TrustedKey[]>
}

/** What a member gave is not taken in. */
export class MembersWordRefused extends Error {
  readonly refusal: MemberRefusal

  constructor(refusal: MemberRefusal) {
    super(refusal.why)
    this.refusal = refusal
  }
}

/** Whether it was a member's, so that the registry itself is to be asked: its word could not be taken in. */
export function wasMembers(
  intake: MemberIntake | undefined,
  of: { readonly registry: string; readonly name: string },
  { received: { member }, error }: { received: ReceivedDocument; error: unknown },
): boolean {
  if (member === undefined) return false
  const unread = { why: error instanceof Error ? error.message : String(error), isLie: false }
  const refusal = error instanceof MembersWordRefused ? error.refusal : unread
  intake?.distrust({ ...of, member }, refusal)
  return true
}
