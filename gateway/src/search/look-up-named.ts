/**
 * Packages of the network that peers name in their answers: of these counts what their trusted publishers have signed, so that is
 * looked for, a few of them, and within seconds.
 */
import type { Logger } from '@catalog-p2p/core'
import type { NameOrigins } from '../trust/origin-of-name.ts'
import type { FoundPackage } from './merge.ts'

export interface LookUpDependencies {
  readonly originOf: NameOrigins
  /** Looks for what the publishers of a package of the network say of it; what it finds is in the index then. */
  readonly lookUp: (name: string, options: { readonly signal: AbortSignal }) => Promise<unknown>
  readonly log: Logger
}

const MAX_LOOKUPS = 10
const LOOKUP_MS = 3_000

export async function lookUpNamed(
  { originOf, lookUp, log }: LookUpDependencies,
  named: readonly FoundPackage[],
  signal: AbortSignal,
): Promise<void> {
  const isOfNetwork = ({ name }: FoundPackage): boolean => originOf(name).kind === 'network'
  const names = new Set(named.filter(isOfNetwork).map(({ name }) => name))
  const limit = AbortSignal.any([signal, AbortSignal.timeout(LOOKUP_MS)])
  const lookups = [...names].slice(0, MAX_LOOKUPS).map(async (name) => {
    try {
      await lookUp(name, { signal: limit })
    } catch (error) {
      log.debug('search.not-looked-up', { name, error }) // nobody has it, or not in time
    }
  })
  await Promise.all(lookups)
  signal.throwIfAborted()
}
