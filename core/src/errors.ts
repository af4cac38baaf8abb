/**
 * The one error class of the project and the one table of its codes. Callers match by code with
 * `isCatalogError`, never by message; an impossible state is a plain `Error`, because it is a bug.
 * docs/errors.md is tested against this table.
 */

/** What a caller can do about an error; the gateway maps kinds to HTTP status codes. */
export type ErrorKind =
  'input' | 'absent' | 'peer' | 'integrity' | 'local' | 'upstream' | 'lifecycle'

/** Every code: its kind and whether trying again can help (`'other'`: yes, with another source). */
export const ERROR_CODES = {
  INVALID_OPTIONS: { kind: 'input', retry: 'never' },
  INVALID_DIGEST: { kind: 'input', retry: 'never' },
  INVALID_NAME: { kind: 'input', retry: 'never' },
  INVALID_LOCKFILE: { kind: 'input', retry: 'never' },
  ALREADY_PUBLISHED: { kind: 'input', retry: 'never' },
  INVALID_KEY: { kind: 'input', retry: 'never' },
  DENIED: { kind: 'input', retry: 'later' },
  NOT_FOUND: { kind: 'absent', retry: 'other' },
  NO_PROVIDERS: { kind: 'absent', retry: 'other' },
  PEER_UNREACHABLE: { kind: 'peer', retry: 'other' },
  PEER_TIMEOUT: { kind: 'peer', retry: 'other' },
  PEER_BUSY: { kind: 'peer', retry: 'other' },
  PEER_REFUSED: { kind: 'peer', retry: 'other' },
  PEER_MISBEHAVED: { kind: 'peer', retry: 'other' },
  DIGEST_MISMATCH: { kind: 'integrity', retry: 'other' },
  INVALID_STATEMENT: { kind: 'integrity', retry: 'other' },
  STORE_LOCKED: { kind: 'local', retry: 'later' },
  STORE_CORRUPT: { kind: 'local', retry: 'other' },
  STORE_FULL: { kind: 'local', retry: 'later' },
  STORE_FAILED: { kind: 'local', retry: 'later' },
  PORT_IN_USE: { kind: 'local', retry: 'never' },
  HOST_FAILED: { kind: 'local', retry: 'later' },
  UPSTREAM_UNREACHABLE: { kind: 'upstream', retry: 'later' },
  UPSTREAM_REJECTED: { kind: 'upstream', retry: 'never' },
  DAEMON_NOT_RUNNING: { kind: 'absent', retry: 'later' },
  DAEMON_FAILED: { kind: 'local', retry: 'later' },
  NODE_STOPPED: { kind: 'lifecycle', retry: 'never' },
} as const satisfies Record<string, { kind: ErrorKind; retry: 'never' | 'later' | 'other' }>

export type ErrorCode = keyof typeof ERROR_CODES

/** Facts about a failure for logs and callers; `cause` is the underlying error. */
export interface ErrorDetails {
  readonly cause?: unknown
  /** What the user can do next, one sentence. */
  readonly hint?: string
  readonly [fact: string]: unknown
}

// A brand, not instanceof: a bundle may hold a second copy of this class.
const BRAND = Symbol.for('@catalog-p2p/error')

/** A failure that a caller can act upon, named by `code`. Credentials in its text are redacted. */
export class CatalogError extends Error {
  override readonly name = 'CatalogError'
  readonly code: ErrorCode
  readonly hint: string | undefined
  readonly details: Readonly<Record<string, unknown>>

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    const { cause, hint, ...facts } = details
    super(redactCredentials(message), cause === undefined ? undefined : { cause })
    this.code = code
    this.hint = hint
    this.details = facts
    Object.defineProperty(this, BRAND, { value: true })
  }

  get kind(): ErrorKind {
    return ERROR_CODES[this.code].kind
  }
}

/** True when `error` is a CatalogError, from any copy of this module, with `code` if one is given. */
export function isCatalogError(error: unknown, code?: ErrorCode): error is CatalogError {
  if (typeof error !== 'object' || error === null || !(BRAND in error)) return false
  return code === undefined || (error as unknown as CatalogError).code === code
}

/** Masks user:password in URLs and the values of tokens, wherever they stand in `text`. */
function redactCredentials(text: string): string {
  return text
    .replace(/(\w+:\/\/)[^\s/@]+@/g, '$1***@')
    .replace(/\b(bearer|basic)\s+[\w.~+/=-]+/gi, '$1 ***')
    .replace(/\b(npm_[A-Za-z0-9]{8})[A-Za-z0-9]+/g, '$1***')
    .replace(/\b(catalog-(?:swarm|invite)-1:)[\w-]+/g, '$1***')
    .replace(/(_authToken|_password|_auth)\s*=\s*\S+/g, '$1=***')
}
