/**
 * Who may write build results of a team, as far as this machine is concerned: keys that the user has named in the trust file for
 * `@build-results`, and those that the organisation of its private swarm has certified for that. Never who came first.
 */
import type { KeyId } from '@catalog-p2p/core'
import type { Trust } from '../trust/trust.ts'
import { trustNameOf } from './build-key.ts'

export function buildWriters(
  { originOf, book }: Pick<Trust, 'originOf' | 'book'>,
  { team, swarmRoot }: { readonly team: string; readonly swarmRoot: KeyId | undefined },
): readonly KeyId[] {
  const name = trustNameOf(team)
  const origin = originOf(name)
  const named = origin.kind === 'network' && origin.how === 'added' ? origin.publishers : []
  const certified = swarmRoot === undefined ? [] : (book?.publishers([swarmRoot], name) ?? [])
  return [...new Set([...named, ...certified])]
}
