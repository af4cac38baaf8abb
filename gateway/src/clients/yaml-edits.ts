/**
 * Settings in YAML, for Yarn Berry's .yarnrc.yml and pnpm's config.yaml. The yaml library only says where things stand; the
 * text is edited line by line, and read again afterwards to be sure that nothing else has changed. Pure.
 */
import { isDeepStrictEqual } from 'node:util'
import { isMap, isPair, isScalar, isSeq, parseDocument, type Pair, type YAMLMap } from 'yaml'
import { createLineEditor, withoutMark, type EditedText, type LineEditor } from './line-edits.ts'
import { NOTE, UneditableText } from './registry-format.ts'

export type YamlValues = Record<string, unknown>

/** @throws UneditableText when it is not YAML with names at its top level */
export function yamlValues(text: string): YamlValues {
  return read(text).values
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
  return checkedYaml(editor, { ...values, [key]: meant })
}

function read(text: string): { root: YAMLMap | null; values: YamlValues } {
  const document = parseDocument(withoutMark(text), { schema: 'core' })
  const problem = document.errors[0]?.message.split('\n', 1)[0]
  if (problem !== undefined) throw new UneditableText(`it is not valid YAML: ${problem}`)
  const root = document.contents
  if (root === null || (isScalar(root) && root.value === null)) return { root: null, values: {} }
  if (!isMap(root)) throw new UneditableText('it has no "name: value" lines')
  return { root: root, values: document.toJS() as YamlValues }
}

/** @throws UneditableText when the edited text does not mean exactly what was wanted */
export function checkedYaml(editor: LineEditor, wanted: YamlValues): EditedText {
  const edited = editor.finish()
  if (isDeepStrictEqual(read(edited.text).values, wanted)) return edited
  throw new UneditableText('its layout leaves no safe place for the setting')
}

export function setScalar(editor: LineEditor, path: readonly string[], value: string): void {
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

/** In front of the items that are there: the beginning of a list is easier to find than its end. */
export function addToList(editor: LineEditor, key: string, value: string): void {
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

export function textAt(values: YamlValues, path: readonly string[]): string | undefined {
  let at: unknown = values
  for (const step of path) {
    at = typeof at === 'object' && at !== null ? (at as YamlValues)[step] : undefined
  }
  return typeof at === 'string' ? at : undefined
}

export function listAt(values: YamlValues, key: string): unknown[] {
  const list = values[key]
  return Array.isArray(list) ? [...(list as unknown[])] : []
}
