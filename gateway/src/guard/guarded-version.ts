/** What the guard judges, and what it says of it. Types only. */

/** What a registry says of a version, as far as the policy needs it. */
export interface GuardedVersion {
  readonly version: string
  /** Unix time, milliseconds; undefined where the registry does not say. */
  readonly publishedAtMs: number | undefined
  /** It came with a statement of where it was built. */
  readonly hasProvenance: boolean
  /** The registry has signed it. */
  readonly isSigned: boolean
}

export type DenialReason =
  'malware' | 'removed' | 'too-young' | 'unknown-age' | 'trust-downgrade' | 'unsigned'

export interface Denial {
  readonly reason: DenialReason
  /** When it will be given out, Unix time in milliseconds; undefined: not by the passing of time. */
  readonly untilMs: number | undefined
  /** The rest of a sentence that begins with the version: "is …". */
  readonly why: string
}

export interface Judgement {
  /** All versions that were judged. */
  readonly known: ReadonlySet<string>
  readonly denied: ReadonlyMap<string, Denial>
  /** Given out, but less trustworthy than earlier ones: version to why. */
  readonly warned: ReadonlyMap<string, string>
  /** The first of the denied ones is old enough then, Unix time in milliseconds; infinite: never. */
  readonly untilMs: number
}
