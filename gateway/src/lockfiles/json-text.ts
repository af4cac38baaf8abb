/**
 * JSON, and JSON with comments and trailing commas (bun.lock), with errors that name line and column. Blanks the
 * extras out in place instead of removing them, so that positions stay true.
 */
import { LockfileProblem } from './lockfile-problem.ts'

/** @throws LockfileProblem with line and column */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch (error) {
    throw new LockfileProblem(`not JSON: ${describe(error, text)}`, { cause: error })
  }
}

/** @throws LockfileProblem with line and column */
export function parseJsonWithComments(text: string): unknown {
  return parseJson(blankExtras(text))
}

function describe(error: unknown, text: string): string {
  const message = error instanceof Error ? error.message : String(error)
  const position = /at position (\d+)/.exec(message)?.[1]
  if (position === undefined) return `line ${text.split('\n').length}: ends too early`
  const before = text.slice(0, Number(position)).split('\n')
  return `line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}`
}

// Strings first, so that what looks like a comment or a comma inside one stays. Each alternative takes all it can and never
// fails half-way (the closing quote or sign may be missing): whatever the text, one pass, no trying again.
const COMMENT = /"(?:[^"\\]|\\[^])*"?|\/\/[^\n]*|\/\*[^]*?(?:\*\/|$)/g
const TRAILING_COMMA = /"(?:[^"\\]|\\[^])*"?|,(?=\s*[}\]])/g

function blankExtras(text: string): string {
  return blank(blank(text, COMMENT), TRAILING_COMMA)
}

function blank(text: string, tokens: RegExp): string {
  return text.replace(tokens, (token) =>
    token.startsWith('"') ? token : token.replace(/[^\n]/g, ' '),
  )
}
