/**
 * The `registry` line of an .npmrc (npm, pnpm, and everything that reads npm's file) and of pnpm's auth.ini: ini, of
 * which only the part before the first [section] counts.
 */
import { createLineEditor } from '../line-edits.ts'
import { NOTE, type RegistryFormat } from '../registry-format.ts'

export const npmrcFormat: RegistryFormat = {
  registryOf(text) {
    const { lines } = createLineEditor(text)
    const last = registryLines(lines).at(-1)
    const value = last === undefined ? undefined : valueOf(lines[last] ?? '')
    return value === '' ? undefined : value
  },
  setRegistry(text, url) {
    const editor = createLineEditor(text)
    const found = registryLines(editor.lines)
    // Every one of them: ini takes the last, other readers may take the first.
    for (const index of found) editor.replace(index, `registry=${url}`)
    const section = editor.lines.findIndex(isSection)
    const at = section === -1 ? editor.lines.length : section
    if (found.length === 0) editor.insert(at, `registry=${url}`)
    editor.insert(found[0] ?? at, NOTE)
    return editor.finish()
  },
}

function registryLines(lines: readonly string[]): number[] {
  const end = lines.findIndex(isSection)
  return [...lines.entries()]
    .filter(([index, line]) => (end === -1 || index < end) && isRegistry(line))
    .map(([index]) => index)
}

function isSection(line: string): boolean {
  return /^\s*\[[^\]]*\]\s*$/.test(line)
}

function isRegistry(line: string): boolean {
  return /^\s*(?:registry|"registry"|'registry')\s*=/.test(line)
}

function valueOf(line: string): string {
  const value = line.slice(line.indexOf('=') + 1).trim()
  const quoted = /^"(.*)"$|^'(.*)'$/.exec(value)
  if (quoted !== null) return quoted[1] ?? quoted[2] ?? ''
  // ini ends a value at a bare comment sign
  return value.replace(/\s*(?<!\\)[;#].*$/, '')
}
