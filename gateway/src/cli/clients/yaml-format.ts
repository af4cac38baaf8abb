/**
 * Registries in YAML: Yarn Berry's .yarnrc.yml and pnpm's config.yaml. The yaml library only says where things stand;
 * the text is edited line by line, and read again afterwards to be sure that nothing else has changed.
 */
import { isDeepStrictEqual } from 'node:util'
import { isMap, isPair, isScalar, isSeq, parseDocument, type Pair, type YAMLMap } from 'yaml'
import { createLineEditor, withoutMark, type EditedText, type LineEditor } from './line-edits.ts'
import { NOTE, UneditableText, type RegistryFormat } from './registry-format.ts'

type Values = Record<string, unknown>

/** ~/.yarnrc.yml: plain http is refused by Yarn unless the host is in `unsafeHttpWhitelist`. */
export const yarnrcFormat: RegistryFormat = {
  registryOf: (text) => textAt(read(text).values, ['npmRegistryServer']),
  setRegistry(text, url) {
    // Yarn builds tarball URLs from it and compares them as text: no trailing slash, as its own default.
    const server = url.replace(/\/$/, '')
    const { protocol, hostname } = new URL(url)
    const wanted = { ...read(text).values, npmRegistryServer: server }
    const editor = createLineEditor(text)
    setScalar(editor, ['npmRegistryServer'], server)
    if (protocol === 'http:') {
      const hosts = listAt(wanted, 'unsafeHttpWhitelist')
      if (!hosts.includes(hostname) && !hosts.includes('*')) {
        addToList(editor, 'unsafeHttpWhitelist', hostname)
        Object.assign(wanted, { unsafeHttpWhitelist: [hostname, ...hosts] })
      }
    }
    return checked(editor, wanted)
  },
}

/** pnpm 11 and newer: `registry`, or `registries.default`, which wins over it. */
export const pnpmYamlFormat: RegistryFormat = {
  registryOf(text) {
    const { values } = read(text)
    return textAt(values, ['registries', 'default']) ?? textAt(values, ['registry'])
  },
  setRegistry(text, url) {
    const { values } = read(text)
    const wanted = structuredClone(values)
    const editor = createLineEditor(text)
    const inner = textAt(values, ['registries', 'default'])
    if (inner !== undefined) {
      setScalar(editor, ['registries', 'default'], url)
      Object.assign(wanted.registries as Values, { default: url })
    }
    if (inner === undefined || textAt(values, ['registry']) !== undefined) {
      setScalar(editor, ['registry'], url)
      wanted.registry = url
    }
    return checked(editor, wanted)
  },
}

/** The text at a key of the top level; undefined when there is none. */
export function yamlText(text: string, key: string): string | undefined {
  return textAt(read(text).values, [key])
}

/**
 * `value` is what stands between double quotes.
 * @throws UneditableText
 */
export function setYamlText(text: string, key: string, value: string): EditedText {
  const { values } = read(text)
  const editor = createLineEditor(text)
  const meant = JSON.parse(`"${value}"`) as string
  if (textAt(values, [key]) === meant) return editor.finish()
  setScalar(editor, [key], value)
  return checked(editor, { ...values, [key]: meant })
}

function read(text: string): { root: YAMLMap | null; values: Values } {
  const document = parseDocument(withoutMark(text), { schema: 'core' })
  const problem = document.errors[0]?.message.split('\n', 1)[0]
  if (problem !== undefined) throw new UneditableText(`it is not valid YAML: ${problem}`)
  const root = document.contents
  if (root === null || (isScalar(root) && root.value === null)) return { root: null, values: {} }
  if (!isMap(root)) throw new UneditableText('it has no "name: value" lines')
  return { root: root, values: document.toJS() as Values }
}

/** @throws UneditableText when the edited text does not mean exactly what was wanted */
function checked(editor: LineEditor, wanted: Values): EditedText {
  const edited = editor.finish()
  if (isDeepStrictEqual(read(edited.text).values, wanted)) return edited
  throw new UneditableText('its layout leaves no safe place for the setting')
}

function setScalar(editor: LineEditor, path: readonly string[], value: string): void {
  const text = withoutMark(editor.finish().text)
  const pair = findPair(read(text).root, path)
  if (pair === undefined) {
    if (path.length > 1) throw new UneditableText(`it has no ${path.join('.')}`)
    const at = editor.lines.length
    editor.insert(at, `${path[0]}: "${value}"`)
    editor.insert(at, NOTE)
    return
  }
  const range = isScalar(pair.value) ? pair.value.range : undefined
  if (range === undefined || range === null)
    throw new UneditableText(`${path.join('.')} is no text`)
  const [start, end] = range
  const place = locate(text, start)
  if (text.slice(start, end).includes('\n')) {
    throw new UneditableText(`${path.join('.')} goes over several lines`)
  }
  const line = editor.lines[place.line] ?? ''
  const rest = line.slice(place.column + (end - start))
  // `registry:` with nothing behind it: the value would touch the colon
  const before = line.slice(0, place.column)
  const gap = before.endsWith(':') ? ' ' : ''
  editor.replace(place.line, `${before}${gap}"${value}"${rest}`)
  editor.insert(place.line, indentOf(line) + NOTE)
}

/** Before the items that are there: the beginning of a list is easier to find than its end. */
function addToList(editor: LineEditor, key: string, value: string): void {
  const text = withoutMark(editor.finish().text)
  const pair = findPair(read(text).root, [key])
  if (pair === undefined) {
    editor.insert(editor.lines.length, `${key}: ["${value}"]`)
    return
  }
  const list = pair.value
  if (isScalar(list) && list.value === null) {
    const { line } = locate(text, isScalar(pair.key) ? (pair.key.range?.[0] ?? 0) : 0)
    const old = editor.lines[line] ?? ''
    const empty = /:(?:[ \t]*(?:~|null))?(?=[ \t]*(?:[ \t]#.*)?$)/
    editor.replace(line, old.replace(empty, `: ["${value}"]`))
    return
  }
  const start = isSeq(list) ? list.range?.[0] : undefined
  if (!isSeq(list) || start === undefined) throw new UneditableText(`${key} is no list`)
  const { line, column } = locate(text, start)
  const old = editor.lines[line] ?? ''
  if (list.flow !== true) {
    editor.insert(line, `${indentOf(old)}- "${value}"`)
    return
  }
  const rest = old.slice(column + 1)
  const comma = list.items.length === 0 ? '' : rest.trim() === '' ? ',' : ', '
  editor.replace(line, `${old.slice(0, column + 1)}"${value}"${comma}${rest}`)
}

function findPair(root: YAMLMap | null, path: readonly string[]): Pair | undefined {
  let map: unknown = root
  let found: Pair | undefined
  for (const step of path) {
    if (!isMap(map)) return undefined
    found = map.items.find((pair) => isPair(pair) && isScalar(pair.key) && pair.key.value === step)
    map = found?.value
  }
  return found
}

function locate(text: string, offset: number): { line: number; column: number } {
  const before = text.slice(0, offset).split(/\r\n|\n|\r/)
  return { line: before.length - 1, column: before.at(-1)?.length ?? 0 }
}

function indentOf(line: string): string {
  return /^\s*/.exec(line)?.[0] ?? ''
}

function textAt(values: Values, path: readonly string[]): string | undefined {
  let place: unknown = values
  for (const step of path) {
    place = typeof place === 'object' && place !== null ? (place as Values)[step] : undefined
  }
  return typeof place === 'string' ? place : undefined
}

function listAt(values: Values, key: string): unknown[] {
  const list = values[key]
  return Array.isArray(list) ? [...(list as unknown[])] : []
}
