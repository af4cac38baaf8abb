/** One request per key, shared by all callers. A failure goes to the callers that waited for it; later ones ask again. Pure. */
export function createAskOnce<T>(): (key: string, ask: () => Promise<T>) => Promise<T> {
  const asked = new Map<string, Promise<T>>()
  return (key, ask) => {
    const found = asked.get(key)
    if (found !== undefined) return found
    const answer = ask().catch((error: unknown) => {
      asked.delete(key)
      throw error
    })
    asked.set(key, answer)
    return answer
  }
}
