/**
 * URLs in upstream's answers that the client itself asks for next: where to wait for the end of a web login, the next page
 * of tokens. Under the registry that is upstream they are spelled as ours, so that the client's credentials and this
 * machine's way to upstream hold for them too. A page for the browser stays what it is. Everything else goes through as it is.
 */
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import type { Registry } from '../upstream/registries.ts'

const unzip = promisify(gunzip)
const MAX_BYTES = 1024 * 1024
/** Members of the answer, by path. */
const FOLLOWED = [['doneUrl'], ['urls', 'next'], ['urls', 'prev']] as const

export interface AnsweredCall {
  readonly method: string
  /** Path and query, as upstream got it. */
  readonly url: string
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
}

/** Whether the body must be looked at; it is then short. */
export function hasFollowedUrls({ method, url, status, headers }: AnsweredCall): boolean {
  const length = Number(headers['content-length'] ?? 0)
  if (length > MAX_BYTES || !/\bjson\b/.test(String(headers['content-type'] ?? ''))) return false
  const coding = headers['content-encoding'] ?? 'identity'
  if (coding !== 'identity' && coding !== 'gzip') return false
  const path = url.split('?', 1)[0] ?? ''
  if (method === 'POST' && path === '/-/v1/login') return status < 300
  if (method === 'GET' && path === '/-/npm/v1/tokens') return status < 300
  // A second factor in the browser: any call may be answered so.
  return status === 401 && /\botp\b/i.test(String(headers['www-authenticate'] ?? ''))
}

export const MAX_FOLLOWED_BYTES = MAX_BYTES

/** The body with its URLs spelled as ours; undefined when there is nothing to change in it. */
export async function spellAsOurs(
  body: Buffer,
  coding: string | undefined,
  { registry, base }: { registry: Registry; base: string },
): Promise<Buffer | undefined> {
  const text = coding === 'gzip' ? await unzipped(body) : body
  const parsed = text && parse(text)
  if (parsed === undefined) return undefined
  let isChanged = false
  for (const path of FOLLOWED) {
    const place = path.slice(0, -1).reduce<unknown>((at, key) => memberOf(at, key), parsed)
    const key = path.at(-1) ?? ''
    const url = memberOf(place, key)
    if (typeof url !== 'string' || !isUnder(registry, url)) continue
    ;(place as Record<string, unknown>)[key] = `${base}/${url.slice(registry.url.length)}`
    isChanged = true
  }
  return isChanged ? Buffer.from(JSON.stringify(parsed)) : undefined
}

/** undefined when it is no gzip, or too much: the client may make of it what it can. */
function unzipped(body: Buffer): Promise<Buffer | undefined> {
  return unzip(body, { maxOutputLength: MAX_BYTES }).catch(() => undefined)
}

function isUnder(registry: Registry, url: string): boolean {
  return url.startsWith(registry.url) && URL.canParse(url)
}

function memberOf(value: unknown, key: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined
  return Object.hasOwn(value, key) ? (value as Record<string, unknown>)[key] : undefined
}

function parse(text: Buffer): unknown {
  try {
    return JSON.parse(text.toString('utf8')) as unknown
  } catch {
    return undefined // whatever it is, it goes through as it is
  }
}
