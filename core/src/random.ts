/**
 * Chance as a collaborator, so that tests and simulations repeat with a seed. Never for secrets, keys or identities: those
 * take their bytes from node:crypto.
 */

/** A number in [0, 1), as `Math.random` gives. */
export type Random = () => number

export const systemRandom: Random = Math.random

/**
 * `value` by chance up to `spread` (a share of it) less or more: many nodes that were started at one moment then do not act
 * at one moment.
 */
export function jittered(value: number, spread: number, random: Random): number {
  return value * (1 - spread + 2 * spread * random())
}
