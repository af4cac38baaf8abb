/**
 * The options that a service is installed with: secrets, which its file must never hold, and options of the last install that
 * are missing now. Pure.
 */
import { CatalogError } from '@catalog-p2p/core'
import { redactUrl } from '../../http/redact-url.ts'

const NEXT =
  'write it into ~/.npmrc, which the service reads: registry=… and, for that host, //host/:_authToken=…, or :username and :_password'

/** Other programs of this machine can ask for a running service's options. @throws CatalogError INVALID_OPTIONS */
export function refuseSecrets(options: readonly string[]): void {
  for (const option of options) {
    const { name, value } = split(option)
    if (!holdsSecret(value)) continue
    throw new CatalogError(
      'INVALID_OPTIONS',
      `${name}: a secret has no place in a service's file`,
      {
        hint: NEXT,
      },
    )
  }
}

/** Options in `before` that are not in `now`; changed: those with another value. */
export function leftOut(
  before: readonly string[],
  now: readonly string[],
): { option: string; isChanged: boolean }[] {
  const names = new Set(now.map((option) => split(option).name))
  return before
    .filter((option) => !now.includes(option))
    .map((option) => ({ option, isChanged: names.has(split(option).name) }))
}

function split(option: string): { name: string; value: string } {
  const at = option.indexOf('=')
  if (at !== -1) return { name: option.slice(0, at), value: option.slice(at + 1) }
  return { name: option.replace(/^--no-/, '--'), value: '' }
}

/** A user, a query, or what looks like a secret in the path of a URL. */
function holdsSecret(value: string): boolean {
  if (!/^https?:/i.test(value) || !URL.canParse(value)) return false
  const { origin, pathname, username, password, search } = new URL(value)
  if (username !== '' || password !== '' || search !== '') return true
  return redactUrl(value) !== origin + pathname
}
