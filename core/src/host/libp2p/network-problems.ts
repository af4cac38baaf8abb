/** What of the network does not work just now, in words for people: for `catalog status` and `catalog doctor`. */

export interface NetworkProblems {
  /** One a subject: a later one takes the place of an earlier. */
  set(subject: object, text: string): void
  clear(subject: object): void
  readonly texts: readonly string[]
}

export function createNetworkProblems(): NetworkProblems {
  const problems = new Map<object, string>()
  return {
    set: (subject, text) => void problems.set(subject, text),
    clear: (subject) => void problems.delete(subject),
    get texts() {
      return [...problems.values()]
    },
  }
}
