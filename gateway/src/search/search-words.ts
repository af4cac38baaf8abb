/** What is searched for: the words of a query as npm's clients send it. Pure. */
import { plainText } from '../packuments/document/package-summary.ts'
import type { FoundPackage } from './merge.ts'

/** Bytes of UTF-8. */
export const MAX_TEXT_BYTES = 200
const MAX_WORDS = 8
/** npm's qualifiers whose value is a word to look for; those about people and scores are nothing that a packument tells here. */
const QUALIFIERS: Readonly<Record<string, (value: string) => string[]>> = {
  keywords: (value) => value.split(/[,+]/),
  scope: (value) => [`@${value.replace(/^@/, '')}`],
}

/** In lower case, without qualifiers. */
export function wordsOf(text: string): string[] {
  const words = plainText(text).toLowerCase().split(' ').flatMap(readWord)
  // What has neither a letter nor a digit is found nowhere.
  const findable = [...new Set(words)].filter((word) => /[\p{L}\p{N}]/u.test(word))
  const kept = findable.slice(0, MAX_WORDS)
  // In lower case some characters are longer.
  while (Buffer.byteLength(kept.join(' ')) > MAX_TEXT_BYTES) kept.pop()
  return kept
}

function readWord(word: string): string[] {
  const [, qualifier = '', value = ''] = /^([a-z-]+):(.*)$/.exec(word) ?? []
  return qualifier === '' ? [word] : (QUALIFIERS[qualifier]?.(value) ?? [])
}

/** Whether every word is somewhere in it. */
export function isMatch(
  { name, description, keywords }: FoundPackage,
  words: readonly string[],
): boolean {
  const text = [name, description, ...keywords].join('\n').toLowerCase()
  return words.every((word) => text.includes(word))
}
