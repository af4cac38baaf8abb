/** The settings table as commander's options, and from parsed options back to settings. */
import { Option, type Command } from 'commander'
import { flagOf, type Setting } from '../../config/setting.ts'
import { SETTINGS } from '../../config/settings.ts'

/** Booleans that are off by default; all others are on and have `--no-`. */
const OFF_BY_DEFAULT = new Set([
  'peers-only',
  'countersign',
  'fleet-metadata',
  'upnp',
  'relay',
  'bootstrap-server',
  'loopback-only',
  'json',
  'trust-on-first-use',
])

/** Settings of every command: how to find the daemon, and the form of the output. */
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
    // Too few for headings; the negation (--no-json) is left out.
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
