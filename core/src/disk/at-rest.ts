/**
 * What is kept only to be quick, and is given back while nothing is asked for: threads that wait, memory for the next download. It
 * is the process's, as its memory is. Never decides when: whoever runs the process calls `restNow`.
 */

const kept = new Set<() => void>()

/**
 * @param giveBack called at each rest; must be in nobody's way when work comes again
 * @returns takes it off the list
 */
export function atRest(giveBack: () => void): () => void {
  kept.add(giveBack)
  return () => void kept.delete(giveBack)
}

/** Nothing is asked for, and has not been for a while. */
export function restNow(): void {
  for (const giveBack of [...kept]) giveBack()
}
