/**
 * The answer to a request for what the guard denies: 403 with the reason, where clients show it (npm prints `error` of the body,
 * pnpm and Yarn the line of the status). No status that a client tries again.
 */
import { CatalogError } from '@catalog-p2p/core'
import { malwareDenial } from './policy.ts'
import type { Denial } from './guarded-version.ts'

export interface DeniedThing {
  readonly name: string
  /** undefined: every version. */
  readonly version: string | undefined
}

const HINTS: Readonly<Record<Denial['reason'], string>> = {
  malware: 'remove it; "catalog affected" says who got it here',
  removed: 'use another version; when its registry has it again, so has this machine',
  'too-young': 'wait, use an older version, or exclude it with --min-release-age-exclude',
  'unknown-age': 'exclude it with --min-release-age-exclude if you trust it',
  unsigned: 'use a version that its registry has signed, or set --registry-signatures warn',
  'trust-downgrade': 'ask its maintainers, or set --trust-downgrade warn',
}

export function deniedError(
  { name, version }: DeniedThing,
  denial: Denial,
  cause?: unknown,
): CatalogError {
  const { reason, untilMs, why } = denial
  const subject =
    version === undefined ? `every version of ${name} wanted here` : `${name}@${version}`
  const until = untilMs === undefined ? {} : { until: new Date(untilMs).toISOString() }
  return new CatalogError('DENIED', `${subject} is denied by catalog's guard: it is ${why}`, {
    ...{ status: 403, hint: HINTS[reason], reason, ...until },
    ...(cause !== undefined && { cause }),
  })
}

/** For bytes that are known under a name that is on the list, whatever they are asked for as. */
export function deniedBytes(thing: DeniedThing): CatalogError {
  const denial = malwareDenial('its bytes are those of a listed version')
  if (denial === undefined) throw new Error('a reason is a reason')
  return deniedError(thing, denial)
}
