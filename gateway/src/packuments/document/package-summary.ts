/**
 * What a search shows of a package, from its packument: bounded plain text, so that nobody else need look at the document again.
 * Pure; runs in packument-worker.ts. It imports nothing of core, because a worker started from source cannot resolve it.
 */
import { isVersion } from '../../http/route.ts'

export interface PackageSummary {
  /** The latest. */
  readonly version: string
  /** Plain text in one line; empty where the document does not say, as abbreviated ones do not. */
  readonly description: string
  readonly keywords: readonly string[]
  /** Of that version, in milliseconds since 1970; undefined: the document does not say. */
  readonly publishedAtMs: number | undefined
}

/** Texts in bytes of UTF-8. */
export const SUMMARY_LIMITS = { description: 512, keyword: 64, keywords: 16 } as const

interface Document {
  readonly 'dist-tags'?: unknown
  readonly versions?: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  readonly time?: unknown
  readonly description?: unknown
  readonly keywords?: unknown
  readonly modified?: unknown
}

/** undefined: nothing can be installed of it. */
export function summaryOf(document: Document): PackageSummary | undefined {
  const version = latestOf(document)
  if (version === undefined) return undefined
  const { description, keywords } = document.versions?.[version] ?? {}
  return {
    version,
    description: boundedText(description ?? document.description, SUMMARY_LIMITS.description),
    keywords: boundedKeywords(keywords ?? document.keywords),
    publishedAtMs: toMs(fieldOf(document.time, version)) ?? toMs(document.modified),
  }
}

function latestOf({ 'dist-tags': tags, versions = {} }: Document): string | undefined {
  const latest = fieldOf(tags, 'latest')
  if (typeof latest === 'string' && Object.hasOwn(versions, latest)) return usable(latest)
  return usable(Object.keys(versions).at(-1))
}

function usable(version: string | undefined): string | undefined {
  return version !== undefined && isVersion(version) ? version : undefined
}

function fieldOf(value: unknown, key: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined
  return (value as Record<string, unknown>)[key]
}

export function toMs(date: unknown): number | undefined {
  const ms = typeof date === 'string' ? Date.parse(date) : Number.NaN
  return ms > 0 ? ms : undefined
}

/** Some packages write a list, some a text with commas. */
export function boundedKeywords(keywords: unknown): string[] {
  const list: unknown[] = typeof keywords === 'string' ? keywords.slice(0, 2048).split(',') : []
  const all = Array.isArray(keywords) ? (keywords as unknown[]) : list
  const texts = all
    .slice(0, SUMMARY_LIMITS.keywords)
    .map((each) => boundedText(each, SUMMARY_LIMITS.keyword))
  return texts.filter((text) => text !== '')
}

/** Empty for what is no text. */
export function boundedText(text: unknown, maxBytes: number): string {
  if (typeof text !== 'string') return ''
  return cut(plainText(text.slice(0, maxBytes * 4)), maxBytes).trim()
}

/** In one line, without what a terminal would obey or what reorders text. */
export function plainText(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]+/gu, ' ').trim()
}

function cut(text: string, maxBytes: number): string {
  const bytes = Buffer.from(text)
  // A character that is cut in two is left out.
  return new TextDecoder().decode(bytes.subarray(0, maxBytes), { stream: true })
}
