/** How a package manager is asked for its own configuration, and how its answer reads. Pure; ask-client.ts asks. */

/** A client's settings, by the client's own names. */
export type ClientSettings = ReadonlyMap<string, unknown>

export interface ClientQuestion {
  /** The arguments that ask, with those of the command that may change the answer. */
  words(handedOn: readonly string[]): readonly string[]
  /** @throws SyntaxError when the answer is something else */
  read(text: string): ClientSettings
  /** The setting that names the registry. */
  readonly registryKey: string
}

/** The settings in one JSON object, which warnings may stand in front of. @throws SyntaxError */
export function settingsInObject(text: string): ClientSettings {
  const value: unknown = JSON.parse(text.slice(text.indexOf('{')))
  return new Map(Object.entries(value as Record<string, unknown>))
}
