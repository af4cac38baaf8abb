/** The result of one check of `catalog doctor`. A check never throws: a check that cannot tell is a finding as well. */

export type Verdict = 'ok' | 'warn' | 'fail'

export interface Finding {
  /** The subject, a word or two. */
  readonly name: string
  /** fail: installs through catalog suffer; warn: it works, but not as well as it could. */
  readonly verdict: Verdict
  readonly text: string
  /** The next step for the user; always there unless all is well. */
  readonly next?: string
}

export function ok(name: string, text: string): Finding {
  return { name, verdict: 'ok', text }
}

export function warn(name: string, text: string, next: string): Finding {
  return { name, verdict: 'warn', text, next }
}

export function fail(name: string, text: string, next: string): Finding {
  return { name, verdict: 'fail', text, next }
}

export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause instanceof Error ? error.cause : error
  return 'code' in cause && typeof cause.code === 'string' ? cause.code : cause.message
}
