/** What a client let us know of early: a package that it may ask for soon. A guess; nobody is owed anything for it. */

export interface Hint {
  readonly name: string
  readonly version: string
  /** As a lockfile spells it; absent where the client does not know (npm's audit). */
  readonly integrity?: string | undefined
}

export function hintKey(hint: { name: string; version: string }): string {
  return `${hint.name}@${hint.version}`
}
