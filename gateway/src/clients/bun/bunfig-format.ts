/**
 * `[install] registry` of Bun's ~/.bunfig.toml. A scan of the few shapes TOML allows for it, not a TOML parser: a shape
 * that it does not know is refused, never guessed at. https://bun.com/docs/runtime/bunfig
 */
import { createLineEditor } from '../line-edits.ts'
import { NOTE, UneditableText, type RegistryFormat } from '../registry-format.ts'

export const bunfigFormat: RegistryFormat = {
  registryOf: (text) => scan(createLineEditor(text).lines).found?.url,
  setRegistry(text, url) {
    const editor = createLineEditor(text)
    const { found, installHeader, obstacle } = scan(editor.lines)
    if (found !== undefined) {
      const line = editor.lines[found.line] ?? ''
      editor.replace(found.line, line.slice(0, found.start) + `"${url}"` + line.slice(found.end))
      editor.insert(found.line, NOTE)
      return editor.finish()
    }
    if (obstacle !== undefined) {
      throw new UneditableText(`line ${obstacle + 1} is written in a way that is not understood`)
    }
    let at = installHeader === undefined ? editor.lines.length : installHeader + 1
    editor.insert(at++, NOTE)
    if (installHeader === undefined) editor.insert(at++, '[install]')
    editor.insert(at, `registry = "${url}"`)
    return editor.finish()
  },
}

interface Found {
  readonly line: number
  /** Where the quoted URL stands in the line. */
  readonly start: number
  readonly end: number
  readonly url: string
}

interface Scan {
  readonly found?: Found
  readonly installHeader?: number
  /** A line that may name the registry in a shape we do not know, or that forbids an [install] header. */
  readonly obstacle?: number
}

const STRING = String.raw`"(?:[^"\\]|\\.)*"(?!")|'[^']*'(?!')`

/** What names the registry, by the table it stands in: the first group is all before the quoted URL. */
const SHAPES: ReadonlyMap<string, RegExp> = new Map([
  [
    '',
    new RegExp(
      String.raw`^(\s*install\s*\.\s*registry(?:\s*\.\s*url)?\s*=\s*(?:\{.*?\burl\s*=\s*)?)(${STRING})`,
    ),
  ],
  [
    'install',
    new RegExp(String.raw`^(\s*registry(?:\s*\.\s*url)?\s*=\s*(?:\{.*?\burl\s*=\s*)?)(${STRING})`),
  ],
  ['install.registry', new RegExp(String.raw`^(\s*url\s*=\s*)(${STRING})`)],
])

const OBSTACLES: ReadonlyMap<string, RegExp> = new Map([
  ['', /^\s*["']?install["']?\s*[=.]/],
  ['install', /^\s*["']?registry\b/],
])

function scan(lines: readonly string[]): Scan {
  let table = ''
  let installHeader: number | undefined
  let obstacle: number | undefined
  let fence: string | undefined
  for (const [index, line] of lines.entries()) {
    const fences: string[] = line.match(/"""|'''/g) ?? []
    if (fence !== undefined) {
      if (fences.includes(fence)) fence = undefined
      continue
    }
    if (fences.length % 2 === 1) fence = fences.at(-1)
    const header = /^\s*\[\s*([^[\]]+?)\s*\]\s*(?:#.*)?$/.exec(line)?.[1]
    if (header !== undefined) {
      table = header.replace(/["'\s]/g, '')
      if (table === 'install') installHeader = index
      continue
    }
    if (/^\s*\[\[/.test(line)) table = '[['
    const found = match(line, index, table)
    if (found !== undefined) return { found }
    if (OBSTACLES.get(table)?.test(line) === true) obstacle ??= index
  }
  return {
    ...(installHeader !== undefined && { installHeader }),
    ...(obstacle !== undefined && { obstacle }),
  }
}

function match(line: string, index: number, table: string): Found | undefined {
  const [, before = '', quoted = ''] = SHAPES.get(table)?.exec(line) ?? []
  if (quoted === '') return undefined
  const start = before.length
  return { line: index, start, end: start + quoted.length, url: quoted.slice(1, -1) }
}
