/** What a config format must be able to do: say which registry it names, and name another one. Pure. */
import type { EditedText } from './line-edits.ts'

export interface RegistryFormat {
  /** The registry that the text names; undefined when it names none. */
  registryOf(text: string): string | undefined
  /**
   * The same text naming `url`, with everything else as it was.
   * @throws UneditableText when that can't be done without touching what is not ours
   */
  setRegistry(text: string, url: string): EditedText
}

/** The file is written in a way that we can't edit line by line; `reason` says what and what to write by hand. */
export class UneditableText extends Error {
  override readonly name = 'UneditableText'
}

/** Stands above our lines in every format: all of them take `#`. */
export const NOTE = '# written by "catalog use"; "catalog unuse" puts back what was here'
