/**
 * What was made of a header's text, remembered: clients are few, and each sends the same with every request. Pure functions only.
 * Bounded by the number of texts and by their length, as clients choose them.
 */

const MAX_TEXTS = 64
const MAX_CHARS = 300

export function remembered<T>(
  of: (text: string | undefined) => T,
): (text: string | undefined) => T {
  const known = new Map<string | undefined, T>()
  return (text) => {
    const found = known.get(text)
    if (found !== undefined) return found
    const made = of(text)
    if (text !== undefined && text.length > MAX_CHARS) return made
    if (known.size >= MAX_TEXTS) known.clear()
    known.set(text, made)
    return made
  }
}
