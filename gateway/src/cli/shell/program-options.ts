/** The settings table as options of commander, and back: which settings a command line has given. */
import { Option, type Command } from 'commander'
import { flagOf, type Setting } from '../../config/setting.ts'
import { SETTINGS } from '../../config/settings.ts'

/** Off unless asked for; every other yes/no is on, and has `--no-`. */
const OFF_BY_DEFAULT = new Set(['peers-only', 'relay', 'bootstrap-server', 'loopback-only', 'json'])

/** Settings that matter to every command: whom to ask, and how to answer. */
const COMMON = new Set(['store', 'port', 'json'])

const CONFIG_HELP = 'config file to read instead of the usual one'

export function addSettings(command: Command, isWanted: (setting: Setting) => boolean): Command {
  for (const setting of SETTINGS.filter(isWanted)) {
    for (const option of optionsOf(setting)) command.addOption(option)
  }
  return command.option('--config <file>', CONFIG_HELP)
}

export function addCommonSettings(command: Command): Command {
  for (const setting of SETTINGS.filter(({ name }) => COMMON.has(name))) {
    // So few need no headings, and the way round (--no-json) no mention.
    const [option] = optionsOf(setting)
    if (option !== undefined) command.addOption(option.helpGroup('Options:'))
  }
  return command.option('--config <file>', CONFIG_HELP)
}

function optionsOf(setting: Setting): Option[] {
  const flag = flagOf(setting)
  const { help, group, advanced } = setting
  if (setting.type !== 'boolean') {
    const option = new Option(`${flag} <${setting.value ?? 'value'}>`, describe(setting))
    if (setting.type === 'list') option.argParser(collect)
    return [option.helpGroup(`${group}:`).hideHelp(advanced)]
  }
  const isOff = OFF_BY_DEFAULT.has(setting.name)
  return [
    new Option(flag, help).helpGroup(`${group}:`).hideHelp(advanced || !isOff),
    new Option(`--no-${setting.name}`, `don't ${help}`)
      .helpGroup(`${group}:`)
      .hideHelp(advanced || isOff),
  ]
}

function describe({ help, type }: Setting): string {
  return type === 'list' ? `${help} (repeatable)` : help
}

/** By setting name: what was given on this command line. */
export function givenSettings(command: Command): Record<string, unknown> {
  const values = command.opts<Record<string, unknown>>()
  return Object.fromEntries(
    SETTINGS.flatMap((setting) => {
      const value = values[new Option(flagOf(setting)).attributeName()]
      return value === undefined ? [] : [[setting.name, value]]
    }),
  )
}

export function collect(value: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), value]
}
