/**
 * One reader per setting type: text (flags, environment) or a parsed value (config file) to what the options want. A
 * reader says what was expected; limits (ranges, URLs) are checked by the options' own schemas afterwards.
 */
import { resolve } from 'node:path'
import { CatalogError } from '@catalog-p2p/core'
import type { Setting, SettingType } from './setting.ts'

export type ReadValue =
  { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly expected: string }

export interface ReadContext {
  /** Relative paths start here. */
  readonly folder: string
  readonly home: string
}

type Reader = (given: unknown, context: ReadContext) => ReadValue

const MAX_TEXT_LENGTH = 4096

/** Reads one value; the given one is text, or what JSON and YAML have. */
export function readValue(setting: Setting, given: unknown, context: ReadContext): ReadValue {
  if (typeof given === 'string' && given.length > MAX_TEXT_LENGTH) return no('shorter text')
  const read = READERS[setting.type](given, context)
  if (!read.ok || setting.choices === undefined) return read
  const isKnown = typeof read.value === 'string' && setting.choices.includes(read.value)
  return isKnown ? read : no(`one of ${setting.choices.join(', ')}`)
}

/** Milliseconds of a time like 30m or 7d. @throws CatalogError INVALID_OPTIONS naming `place` */
export function durationOf(given: string, place: string): number {
  const read = measured(given, MILLISECONDS, 'a time like 30m, 24h or 7d')
  if (read.ok && typeof read.value === 'number') return read.value
  throw new CatalogError('INVALID_OPTIONS', `${place}: expected a time like 30m, 24h or 7d`)
}

const READERS: Readonly<Record<SettingType, Reader>> = {
  integer,
  port: integer,
  bytes: (given) => measured(given, BYTES, 'a size like 512MiB, 20GB or 65536'),
  rate: (given) => {
    const plain = typeof given === 'string' ? given.replace(/\/s$|ps$/i, '') : given
    return measured(plain, BYTES, 'a size a second like 10MB, or 0 for no limit')
  },
  duration: (given) => measured(given, MILLISECONDS, 'a time like 250ms, 30s, 5m, 12h or 1d'),
  boolean: (given) => {
    if (typeof given === 'boolean') return yes(given)
    const word = typeof given === 'string' ? given.trim().toLowerCase() : ''
    if (['true', '1', 'yes', 'on'].includes(word)) return yes(true)
    return ['false', '0', 'no', 'off'].includes(word) ? yes(false) : no('true or false')
  },
  text: (given) =>
    typeof given === 'string' && given.trim() !== '' ? yes(given.trim()) : no('text'),
  list: (given) => {
    const items: unknown[] = Array.isArray(given) ? given.flatMap(splitList) : splitList(given)
    return items.every((item) => typeof item === 'string' && item !== '')
      ? yes(items)
      : no('a list of words (in text: separated by commas)')
  },
  path: (given, { folder, home }) => {
    if (typeof given !== 'string' || given.trim() === '' || given.includes('\0'))
      return no('a path')
    return yes(
      resolve(
        folder,
        given.replace(/^~(?=$|[/\\])/, () => home),
      ),
    )
  },
}

function integer(given: unknown): ReadValue {
  if (Number.isSafeInteger(given)) return yes(given)
  return typeof given === 'string' && /^-?\d{1,15}$/.test(given.trim())
    ? yes(Number(given))
    : no('a whole number')
}

const BYTES: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 1024,
  kib: 1024,
  kb: 1000,
  m: 1024 ** 2,
  mib: 1024 ** 2,
  mb: 1000 ** 2,
  g: 1024 ** 3,
  gib: 1024 ** 3,
  gb: 1000 ** 3,
  t: 1024 ** 4,
  tib: 1024 ** 4,
  tb: 1000 ** 4,
}

const MILLISECONDS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}

/** A bound as a user would write it, `366d` or `4GiB`; where its type has no units, the number. */
export function inUnits({ type }: Pick<Setting, 'type'>, value: number): string {
  const [words, units] =
    type === 'duration'
      ? [['ms', 's', 'm', 'h', 'd'], MILLISECONDS]
      : [type === 'bytes' ? ['KiB', 'MiB', 'GiB', 'TiB'] : [], BYTES]
  const fits = (word: string): boolean => value % (units[word.toLowerCase()] ?? NaN) === 0
  const word = value === 0 ? undefined : words.findLast(fits)
  return word === undefined ? String(value) : value / (units[word.toLowerCase()] ?? 1) + word
}

function measured(
  given: unknown,
  units: Readonly<Record<string, number>>,
  expected: string,
): ReadValue {
  const text = typeof given === 'number' ? String(given) : given
  const match =
    typeof text === 'string' ? /^(\d{1,15}(?:\.\d{1,6})?)\s*([a-z]*)$/i.exec(text.trim()) : null
  const [, amount = '', word = ''] = match ?? []
  const unit = Object.hasOwn(units, word.toLowerCase()) ? units[word.toLowerCase()] : undefined
  // 0 needs no unit.
  const value = Math.round(
    Number(amount) * (unit ?? (Number(amount) === 0 && word === '' ? 1 : NaN)),
  )
  return match !== null && Number.isSafeInteger(value) ? yes(value) : no(expected)
}

function splitList(given: unknown): unknown[] {
  return typeof given === 'string' ? given.split(',').map((item) => item.trim()) : [given]
}

function yes(value: unknown): ReadValue {
  return { ok: true, value }
}

function no(expected: string): ReadValue {
  return { ok: false, expected }
}
