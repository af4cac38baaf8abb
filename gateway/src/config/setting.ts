/**
 * What a setting is, and the words that settings.ts writes its table with. The name is the flag's; environment and
 * config file spell the same name in their own manner.
 */

/** How text becomes a value; values.ts has a reader for each. */
export type SettingType =
  'integer' | 'port' | 'bytes' | 'rate' | 'duration' | 'boolean' | 'text' | 'list' | 'path'

export type SettingGroup = 'Registry' | 'Network' | 'Store' | 'Transfer' | 'Limits' | 'Output'

/** What it sets: a path in NodeOptions or GatewayOptions, or something of `catalog start` itself. */
export type SettingTarget = `node:${string}` | `gateway:${string}` | `start:${string}`

export interface Setting {
  /** Flag without its dashes: `network.family`, `upload-rate`. */
  readonly name: string
  readonly group: SettingGroup
  readonly type: SettingType
  readonly target: SettingTarget
  readonly help: string
  /** The placeholder in help texts; none for booleans. */
  readonly value: string | undefined
  /** For words out of a fixed set. */
  readonly choices: readonly string[] | undefined
  /** Left out of --help; docs/options.md and `catalog config` have it. */
  readonly advanced: boolean
}

type Draft = Omit<Setting, 'name' | 'group'>
type Kind = (target: SettingTarget, help: string, value?: string) => Draft

export const integer: Kind = kind('integer', 'number')
export const port: Kind = kind('port', 'number')
export const bytes: Kind = kind('bytes', 'size')
export const rate: Kind = kind('rate', 'size')
export const duration: Kind = kind('duration', 'time')
export const boolean: Kind = kind('boolean', undefined)
export const text: Kind = kind('text', 'text')
export const list: Kind = kind('list', 'text')
export const path: Kind = kind('path', 'path')

export function choice(target: SettingTarget, help: string, choices: readonly string[]): Draft {
  return { ...text(target, help, choices.join('|')), choices }
}

export function advanced(draft: Draft): Draft {
  return { ...draft, advanced: true }
}

export function group(name: SettingGroup, drafts: Readonly<Record<string, Draft>>): Setting[] {
  return Object.entries(drafts).map(([setting, draft]) => ({
    name: setting,
    group: name,
    ...draft,
  }))
}

function kind(type: SettingType, placeholder: string | undefined): Kind {
  return (target, help, value = placeholder) => ({
    type,
    target,
    help,
    value,
    choices: undefined,
    advanced: false,
  })
}

/** `--network.family`; booleans have `--no-mdns` beside `--mdns`. */
export function flagOf(setting: Setting): string {
  return `--${setting.name}`
}

/** `network.family` -> `CATALOG_NETWORK_FAMILY`. */
export function environmentOf(setting: Setting): string {
  return `CATALOG_${setting.name.replace(/[.-]/g, '_').toUpperCase()}`
}

/** `upload-rate` -> `uploadRate`, `network.family` -> `network.family` (nested in the file). */
export function fileKeyOf(setting: Setting): string {
  return setting.name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())
}

/** In the config file: where editors find its JSON schema. Of no meaning to us. */
export const SCHEMA_KEY = '$schema'
