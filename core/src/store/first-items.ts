/** The first few items of an iterable, without walking the rest. */
export function firstItems<T>(items: Iterable<T>, count: number): T[] {
  const found: T[] = []
  if (count <= 0) return found
  for (const item of items) {
    found.push(item)
    if (found.length >= count) break
  }
  return found
}
