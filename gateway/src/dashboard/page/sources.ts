/** Where packages come from: the order and the words, the same all over the page. */
import type { Source } from '../snapshot.ts'

export const SOURCES: readonly Source[] = ['peer', 'store', 'origin']

export const SOURCE_WORDS: Readonly<Record<Source, string>> = {
  peer: 'peers',
  store: 'this machine',
  origin: 'the registry',
}
