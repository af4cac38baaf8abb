/** The name under which a rewritten form of a document is kept: pure, safe in a path. */
import { createHash } from 'node:crypto'

/** `key` says which variant (client-policy.ts); `derived`: abbreviated by us from a full document. */
export function partOf(key: string, derived: boolean): string {
  const hash = createHash('sha256').update(key).digest('base64url').slice(0, 16)
  return `${derived ? 'short' : 'variant'}-${hash}`
}
