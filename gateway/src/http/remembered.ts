/**
 * What was made of a text of a request, remembered: clients are few, and each sends the same headers with every request; they install
 * the same packages again and again. Pure functions only, whose results nobody changes.
 * Bounded by the number of texts and by their length, as clients choose them.
 */

/** Of one header. */
const MAX_TEXTS = 64
const MAX_CHARS = 300

export function remembered<T>(
  of: (text: string | undefined) => T,
  { maxTexts = MAX_TEXTS }: { readonly maxTexts?: number } = {},
): (text: string | undefined) => T {
  const known = new Map<string | undefined, T>()
  return (text) => {
    const found = known.get(text)
    if (found !== undefined) return found
    const made = of(text)
    if (text !== undefined && text.length > MAX_CHARS) return made
    if (known.size >= maxTexts) known.clear()
    known.set(text, made)
    return made
  }
}
