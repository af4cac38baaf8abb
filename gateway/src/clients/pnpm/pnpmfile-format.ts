/**
 * The global pnpmfile in pnpm's own configuration: `global-pnpmfile` in its rc (pnpm 10, ini) and `globalPnpmfile` in its
 * config.yaml (11 and newer). There can be only one, so somebody else's is never replaced. Text is Latin-1 of the bytes.
 */
import { CatalogError } from '@catalog-p2p/core'
import { createLineEditor, type EditedText } from '../line-edits.ts'
import { NOTE, UneditableText, type RegistryFormat } from '../registry-format.ts'
import { setYamlText, yamlText } from '../yaml-edits.ts'

const YAML_KEY = 'globalPnpmfile'
const INI_LINE = /^\s*["']?global-pnpmfile["']?\s*=\s*(.*?)\s*$/

/** Formats whose only setting is the pnpmfile at `path`; as formats of registries they name none. */
export function pnpmfileFormats(path: string): Record<'ini' | 'yaml' | 'foreign', RegistryFormat> {
  // Both formats take JSON's escapes in double quotes; a backslash means the same as a slash on Windows.
  const portable = process.platform === 'win32' ? path.replaceAll('\\', '/') : path
  const quoted = Buffer.from(JSON.stringify(portable)).toString('latin1')
  const format = (set: (text: string) => EditedText): RegistryFormat => ({
    registryOf: () => undefined,
    setRegistry: (text) => inWords(path, () => set(text)),
  })
  return {
    ini: format((text) => setIni(text, quoted)),
    yaml: format((text) => {
      const found = yamlText(text, YAML_KEY)
      if (found !== undefined && JSON.stringify(found) !== quoted) throw taken(found)
      return setYamlText(text, YAML_KEY, quoted.slice(1, -1))
    }),
    /** A file that pnpm takes before its own: nothing is written there, but it must not name another one. */
    foreign: format((text) => {
      const found = iniValues(text)[0]?.value
      if (found !== undefined && found !== quoted) throw taken(found)
      return createLineEditor(text).finish()
    }),
  }
}

/** The pnpmfile that pnpm's rc, or an .npmrc, names. */
export function iniPnpmfile(text: string): string | undefined {
  const value = iniValues(text)[0]?.value
  return value?.startsWith('"') === true ? quietly(() => JSON.parse(value) as string) : value
}

/** The one that its config.yaml names. */
export function yamlPnpmfile(text: string): string | undefined {
  return quietly(() => yamlText(text, YAML_KEY))
}

/** undefined for a file that cannot be parsed: pnpm itself reports that. */
function quietly<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined // see above
  }
}

/** The file itself. */
export function wholeFileFormat(content: string): RegistryFormat {
  const text = Buffer.from(content).toString('latin1')
  return { registryOf: () => undefined, setRegistry: () => ({ text, changes: [] }) }
}

function setIni(text: string, quoted: string): EditedText {
  const editor = createLineEditor(text)
  const found = iniValues(text)
  const other = found.find(({ value }) => value !== quoted)
  if (other !== undefined) throw taken(other.value)
  if (found.length > 0) return editor.finish()
  const section = editor.lines.findIndex(isSection)
  const at = section === -1 ? editor.lines.length : section
  editor.insert(at, `global-pnpmfile=${quoted}`)
  editor.insert(at, NOTE)
  return editor.finish()
}

/** Of the part before the first section, which is all that counts. */
function iniValues(text: string): { value: string }[] {
  const { lines } = createLineEditor(text)
  const end = lines.findIndex(isSection)
  return lines.slice(0, end === -1 ? lines.length : end).flatMap((line) => {
    const value = INI_LINE.exec(line)?.[1]
    return value === undefined ? [] : [{ value }]
  })
}

function isSection(line: string): boolean {
  return /^\s*\[[^\]]*\]\s*$/.test(line)
}

function taken(found: string): UneditableText {
  return new UneditableText(`it names another global pnpmfile already (${found})`)
}

function inWords(path: string, edit: () => EditedText): EditedText {
  try {
    return edit()
  } catch (error) {
    if (!(error instanceof UneditableText)) throw error
    throw new CatalogError(
      'INVALID_OPTIONS',
      `pnpm's configuration is not changed: ${error.message}`,
      {
        hint: `pnpm takes one global pnpmfile only: unset the other, or use "catalog use pnpm" (the registry setting)`,
        path,
        cause: error,
      },
    )
  }
}
