/** What the readers of lockfiles share: what they throw, and the looks at fields that throw it. */
import { isObject } from '../is-object.ts'

/** What a reader throws; parseLockfile turns it into INVALID_LOCKFILE with the file's name before it. */
export class LockfileProblem extends Error {
  override readonly name = 'LockfileProblem'
}

export type Fields = Readonly<Record<string, unknown>>

/** @throws LockfileProblem naming `key` when `value` is no plain object */
export function fields(value: unknown, key: string): Fields {
  if (isObject(value)) return value
  throw new LockfileProblem(`${key}: expected an object, got ${nameOf(value)}`)
}

/** `undefined` when absent. @throws LockfileProblem naming `key` when it is there and is no string */
export function optionalText(value: unknown, key: string): string | undefined {
  if (value === undefined || value === null || typeof value === 'string') return value ?? undefined
  throw new LockfileProblem(`${key}: expected text, got ${nameOf(value)}`)
}

/** One word or a list of words (`os`, `cpu`, `libc`); anything else counts as "not said". */
export function words(value: unknown): readonly string[] | undefined {
  if (typeof value === 'string') return [value]
  if (!Array.isArray(value)) return undefined
  const list = value.filter((item): item is string => typeof item === 'string')
  return list.length === 0 ? undefined : list
}

function nameOf(value: unknown): string {
  if (value === null || value === undefined) return 'nothing'
  return Array.isArray(value) ? 'a list' : `a ${typeof value}`
}
