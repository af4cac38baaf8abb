/**
 * The config file that `catalog config init` writes: the settings that help shows, each with what it means and its default, all of
 * them commented out. Without a line changed it sets nothing. Pure.
 */
import { defaultValue, shownDefault } from './options-document.ts'
import { fileKeyOf, type Setting } from './setting.ts'
import { SETTINGS } from './settings.ts'

const INTRODUCTION = `# The config file of Catalog P2P. Take the # in front of a name away to set it; what is not set has the default shown.
# Flags and CATALOG_* variables win over this file. Check it with "catalog config validate"; "catalog config" shows
# what is in effect; docs/options.md has further settings. Editors know it by the schema of "catalog config schema".
`

export function configTemplate(): string {
  const shown = SETTINGS.filter(({ advanced }) => !advanced)
  const groups = Map.groupBy(shown, (setting) => setting.group)
  const parts = [...groups].map(
    ([name, settings]) => `\n# ---- ${name} ----\n${groupLines(settings).join('\n')}\n`,
  )
  return INTRODUCTION + parts.join('')
}

function groupLines(settings: readonly Setting[]): string[] {
  const opened = new Set<string>()
  return settings.flatMap((setting) => {
    const [outer = '', inner] = fileKeyOf(setting).split('.', 2)
    if (inner === undefined) return ['', helpLine(setting, ''), `#${outer}:${valueText(setting)}`]
    const opening = opened.has(outer) ? [] : ['', `#${outer}:`]
    opened.add(outer)
    return [...opening, helpLine(setting, '  '), `#  ${inner}:${valueText(setting)}`]
  })
}

function helpLine({ help, choices, value, type }: Setting, indent: string): string {
  const form = choices?.join(', ') ?? (type === 'boolean' ? 'true, false' : value)
  return `#${indent} ${help} (${form ?? 'text'})`
}

/** Nothing where there is no default: a name with nothing behind it is not set. JSON is YAML. */
function valueText(setting: Setting): string {
  const value = shownDefault(setting.type, defaultValue(setting))
  if (value === undefined) return ''
  return ` ${typeof value === 'string' && /^\w+$/.test(value) ? value : JSON.stringify(value)}`
}
