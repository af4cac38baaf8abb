/**
 * What of a line may stand in a report that strangers read. Masks rather too much than too little: of a log line without names
 * only its time, level, event and numbers are left. Pure.
 */
import { stripVTControlCharacters } from 'node:util'
import { redactUrl } from '../../http/redact-url.ts'

export interface Redaction {
  /** Names of packages and hosts may be shown. */
  readonly withNames: boolean
  readonly home: string
}

const MASK = '***'
const URL_IN_TEXT = /\b[a-z][a-z+.-]*:\/\/[^\s"'<>)\],]+/gi
const CREDENTIALS = /\b(Bearer|Basic|_?auth\w*|_?password|token|secret)([ =:]+)[^\s,]+/gi
/** Digests, keys, peer ids and tokens alike. */
const LONG_WORD = /[\w+=-]{32,}/g
const IPV4 = /\b\d{1,3}(?:\.\d{1,3}){3}\b/g
/** Four groups or `::`, for times have colons, too. */
const IPV6 = /(?<![\w:])(?:(?:[\da-f]{1,4}:){3,}[\da-f:]*|[\da-f:]*::[\da-f:]*)(?![\w:])/gi

/** A sentence of ours, with foreign text in it. */
export function redactText(text: string, { withNames, home }: Redaction): string {
  const shownUrl = (url: string): string =>
    withNames ? redactUrl(url) : `${url.slice(0, url.indexOf(':'))}://${MASK}`
  const masked = stripVTControlCharacters(text)
    .replace(URL_IN_TEXT, shownUrl)
    .replace(CREDENTIALS, `$1$2${MASK}`)
    .replace(LONG_WORD, MASK)
    .replace(IPV4, (address) => (address.startsWith('127.') ? address : MASK))
    .replace(IPV6, (address) => (address === '::1' ? address : MASK))
  return home.length > 1 ? masked.replaceAll(home, '~') : masked
}

/** Values of settings and the like, however deep. */
export function redactValue(value: unknown, redaction: Redaction): unknown {
  if (typeof value === 'string') return redactText(value, redaction)
  if (Array.isArray(value)) return value.map((each) => redactValue(each, redaction))
  return value
}

const OUR_LINE = /^(\S+) +(error|warn|info|debug) +([\w.-]+)(.*)$/
const NUMBER_FACT = / (\w+=(?:-?\d[\d.]*|true|false))(?= |$)/g
/** Of pino's lines, beside what is a number. */
const PLAIN_KEYS = new Set(['level', 'time', 'msg', 'code'])

/** undefined: nothing of it can be shown. */
export function redactLogLine(line: string, redaction: Redaction): string | undefined {
  if (redaction.withNames) return redactText(line, redaction)
  const plain = stripVTControlCharacters(line)
  if (plain.startsWith('{')) return numbersOfJson(plain)
  const [, time, level, event, facts = ''] = OUR_LINE.exec(plain) ?? []
  if (time === undefined || !/^[\d:.TZ-]+$/.test(time)) return undefined
  const numbers = [...facts.matchAll(NUMBER_FACT)].map(([, fact]) => fact)
  return [time, level, event, ...numbers].join(' ')
}

function numbersOfJson(line: string): string | undefined {
  try {
    const facts = Object.entries(JSON.parse(line) as Record<string, unknown>)
    const isShown = ([key, value]: readonly [string, unknown]): boolean =>
      typeof value === 'number' || typeof value === 'boolean' || isPlain(key, value)
    return JSON.stringify(Object.fromEntries(facts.filter(isShown)))
  } catch {
    return undefined // cut off
  }
}

function isPlain(key: string, value: unknown): boolean {
  return PLAIN_KEYS.has(key) && typeof value === 'string' && /^[\w.:-]{1,64}$/.test(value)
}
