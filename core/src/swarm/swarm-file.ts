/**
 * What a machine knows of its private swarm, as text: a word and its value per line, comments behind a `#`. A line that is only a
 * key is one, so that a key alone, in a secret of a CI, is a whole file. The text is a secret and stands in no error.
 */
import { MAX_CERTIFICATE_BYTES } from '../certificates/certificate.ts'
import { CatalogError } from '../errors.ts'
import { parseKeyId } from '../signing/key-id.ts'
import { MAX_KEYS } from './membership.ts'
import { parseSwarmKey, SWARM_KEY_PREFIX, swarmKeyToText } from './swarm-key.ts'
import type { KeyInUse, SwarmState } from './swarm.ts'

export interface SwarmFile extends Omit<SwarmState, 'revoked'> {
  /** Private scopes, and packages, that all of its machines may have. */
  readonly shareScopes: readonly string[]
  /** Multiaddrs of machines of the swarm. */
  readonly bootstrap: readonly string[]
}

const MAX_CHARS = 64 * 1024
const MAX_LINES = 256
const SCOPE = /^(@[^/\s]+(\/[^/\s]+)?|[^@/\s][^/\s]*)$/
const NAME = /^[!-~]{1,214}$/
const HEAD = '# A private swarm of catalog. Whoever has this file is a member: keep it to yourself.'

export function swarmFileToText(file: SwarmFile): string {
  const lines = [
    HEAD,
    `name ${file.name}`,
    ...file.keys.map(({ key, untilMs }) => {
      const until = untilMs === undefined ? '' : ` until ${new Date(untilMs).toISOString()}`
      return `key ${swarmKeyToText(key)}${until}`
    }),
    ...(file.root === undefined ? [] : [`root ${file.root}`]),
    ...(file.certificate === undefined
      ? []
      : [`certificate ${Buffer.from(file.certificate).toString('base64url')}`]),
    ...file.shareScopes.map((scope) => `share ${scope}`),
    ...file.bootstrap.map((address) => `bootstrap ${address}`),
  ]
  return `${lines.join('\n')}\n`
}

type Draft = {
  -readonly [Field in keyof SwarmFile]: SwarmFile[Field]
} & { keys: KeyInUse[]; shareScopes: string[]; bootstrap: string[] }

/** @param place for errors: the file's path, or the variable. @throws CatalogError INVALID_OPTIONS naming the line */
export function parseSwarmFile(text: string, place: string): SwarmFile {
  const lines = text.split(/\r?\n/)
  if (text.length > MAX_CHARS || lines.length > MAX_LINES) throw invalid(place, 'it is too long')
  const draft: Draft = { name: 'swarm', keys: [], shareScopes: [], bootstrap: [] }
  for (const [index, whole] of lines.entries()) {
    const line = whole.replace(/(^|\s)#.*$/, '').trim()
    if (line === '') continue
    try {
      readLine(line, draft)
    } catch (error) {
      const problem = error instanceof CatalogError ? error.message : 'it makes no sense'
      throw invalid(`${place}, line ${index + 1}`, problem)
    }
  }
  if (draft.keys.length > MAX_KEYS) throw invalid(place, `at most ${MAX_KEYS} keys`)
  if (draft.keys.length === 0 && draft.root === undefined) throw invalid(place, 'it has no key')
  return draft
}

/** @throws CatalogError */
function readLine(line: string, draft: Draft): void {
  if (line.startsWith(SWARM_KEY_PREFIX)) {
    draft.keys.push({ key: parseSwarmKey(line) })
    return
  }
  const [word = '', value = '', ...rest] = line.split(/\s+/)
  switch (word) {
    case 'name':
      if (!NAME.test(value)) throw new CatalogError('INVALID_OPTIONS', 'a name is one word')
      draft.name = value
      return
    case 'key':
      draft.keys.push({ key: parseSwarmKey(value), ...until(rest) })
      return
    case 'root':
      draft.root = parseKeyId(value)
      return
    case 'certificate': {
      const bytes = Buffer.from(value, 'base64url')
      if (bytes.byteLength === 0 || bytes.byteLength > MAX_CERTIFICATE_BYTES) {
        throw new CatalogError('INVALID_OPTIONS', 'a certificate is base64url')
      }
      draft.certificate = bytes
      return
    }
    case 'share':
      if (!SCOPE.test(value))
        throw new CatalogError('INVALID_OPTIONS', 'share @scope, or a package')
      draft.shareScopes.push(value)
      return
    case 'bootstrap':
      if (!value.startsWith('/')) throw new CatalogError('INVALID_OPTIONS', 'bootstrap multiaddr')
      draft.bootstrap.push(value)
      return
    default:
      throw new CatalogError('INVALID_OPTIONS', 'no line of a swarm begins so')
  }
}

function until([word, date = '']: readonly string[]): { untilMs?: number } {
  if (word === undefined) return {}
  const untilMs = Date.parse(date)
  if (word !== 'until' || Number.isNaN(untilMs)) {
    throw new CatalogError('INVALID_OPTIONS', 'behind a key stands nothing, or "until" and a date')
  }
  return { untilMs }
}

function invalid(place: string, problem: string): CatalogError {
  return new CatalogError('INVALID_OPTIONS', `${place}: ${problem}`, {
    hint: 'docs/private-swarm.md says what stands in it; "catalog swarm init" makes one',
  })
}
