/**
 * docs/options.md as text, from the settings table and the defaults of core's and the gateway's options. Its test
 * compares the two and rewrites the file when vitest runs with `-u`: behind the name, as vitest takes a word that follows
 * `-u` for its value, and would then run every test. Pure.
 */
import { parseNodeOptions } from '@catalog-p2p/core'
import { parseGatewayOptions } from '../options.ts'
import { splitTarget } from './resolve.ts'
import { environmentOf, fileKeyOf, type Setting, type SettingType } from './setting.ts'
import { SETTINGS } from './settings.ts'

const INTRODUCTION = `# Options

Every option of \`catalog start\`. It can be given as a flag, as an environment variable, or in the config file; a flag
wins over the environment, that over the file, that over the default. \`catalog config\` prints what is in effect and where
it comes from. (This page is made from \`gateway/src/config/settings.ts\`; \`npm test -- options-document -u\` writes it anew.)

The config file is \`config.yaml\`, \`config.yml\` or \`config.json\` in the platform's config folder (Linux
\`~/.config/catalog-p2p\`, macOS \`~/Library/Preferences/catalog-p2p\`, Windows \`%APPDATA%\\catalog-p2p\\Config\`), or the one
that \`--config FILE\` or \`CATALOG_CONFIG\` names:

\`\`\`yaml
port: 4874
network:
  family: ipv6
bootstrap:
  - /dns/seed.example.com/udp/4875/quic-v1/p2p/12D3KooW...
uploadRate: 10MB
\`\`\`

\`catalog config init\` writes one to begin with, \`catalog config validate\` names each mistake in it with its line. Editors check and
complete it by [its JSON schema](config.schema.json), which \`catalog config schema\` prints: with
\`# yaml-language-server: $schema=FILE\` as the first line, or \`"$schema"\` in JSON.

- **Sizes** have a unit: \`KiB\`, \`MiB\`, \`GiB\`, \`TiB\` (powers of 1024; also \`k\`, \`m\`, \`g\`, \`t\`) or \`kB\`, \`MB\`, \`GB\`, \`TB\`
  (powers of 1000); a bare number is bytes. **Times** are \`250ms\`, \`30s\`, \`5m\`, \`12h\`, \`1d\`.
- **Lists** are a flag given several times, words separated by commas in the environment, or a list in the file.
- **Yes/no**: \`--mdns\` or \`--no-mdns\`; \`true\` or \`false\` elsewhere. Paths may begin with \`~\`.
- Wrong values are all reported at once, and \`catalog\` exits with code 2.
`

export function optionsDocument(): string {
  const groups = Map.groupBy(SETTINGS, (setting) => setting.group)
  const parts = [...groups].map(([name, settings]) => `## ${name}\n\n${tableOf(settings)}`)
  return `${INTRODUCTION}\n${parts.join('\n')}`
}

function tableOf(settings: readonly Setting[]): string {
  const rows = settings.map((setting) => [
    `\`${signature(setting)}\``,
    `\`${environmentOf(setting)}\``,
    `\`${fileKeyOf(setting)}\``,
    TYPE_WORDS[setting.type],
    defaultOf(setting),
    setting.help,
  ])
  const head = ['Flag', 'Environment', 'File', 'Type', 'Default', 'Meaning']
  const lines = [head, head.map(() => '---'), ...rows]
  return lines.map((cells) => `| ${cells.map(escape).join(' | ')} |\n`).join('')
}

function signature(setting: Setting): string {
  if (setting.type !== 'boolean') return `--${setting.name} <${setting.value ?? 'value'}>`
  return defaultValue(setting) === true ? `--no-${setting.name}` : `--${setting.name}`
}

const TYPE_WORDS: Readonly<Record<SettingType, string>> = {
  integer: 'number',
  port: 'number',
  bytes: 'size',
  rate: 'size a second',
  duration: 'time',
  boolean: 'yes/no',
  text: 'text',
  list: 'list',
  path: 'path',
}

/** In words of their own: what is decided outside the options' schemas. */
const SPECIAL_DEFAULTS: Readonly<Record<string, string>> = {
  upstream: "npm's configured registry",
  keyring: '`registry-keys.json` in the config folder',
  'trust-file': '`trusted-publishers.txt` in the config folder',
  swarm: '`swarm.txt` in the config folder, if it is there',
  'replica-quota': 'a fifth of the quota',
  'witness-quorum': 'more than half of them',
  store: "`catalog-p2p` in the user's cache folder",
  'log-level': '`info`; on a terminal `warn`',
}

function defaultOf(setting: Setting): string {
  const special = SPECIAL_DEFAULTS[setting.name]
  if (special !== undefined) return special
  const value = defaultValue(setting)
  if (Array.isArray(value)) return value.length === 0 ? 'none' : `\`${value.join(', ')}\``
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  if (typeof value !== 'number') return typeof value === 'string' ? `\`${value}\`` : 'none'
  return `\`${shownNumber(setting.type, value)}\``
}

/** The value that holds when nothing is set; undefined where nothing does. */
export function defaultValue(setting: Setting): unknown {
  const { part, path } = splitTarget(setting)
  if (part === 'start') return setting.type === 'boolean' ? false : undefined
  let place: unknown = part === 'node' ? parseNodeOptions({}) : parseGatewayOptions({})
  for (const step of path) place = (place as Record<string, unknown> | undefined)?.[step]
  return place
}

/** A default as one would write it in the config file; undefined where there is none. */
export function shownDefault(type: SettingType, value: unknown): unknown {
  const isMeasured = type === 'bytes' || type === 'rate' || type === 'duration'
  if (typeof value !== 'number' || !isMeasured || value === 0) return value
  return shownNumber(type, value)
}

/** Numbers as one would write them: `20GiB`, `5m`. */
export function shownNumber(type: SettingType, value: number): string {
  if (type === 'bytes' || type === 'rate') {
    return largestUnit(value, [
      [1024 ** 3, 'GiB'],
      [1024 ** 2, 'MiB'],
      [1024, 'KiB'],
    ])
  }
  if (type !== 'duration') return String(value)
  return largestUnit(value, [
    [3_600_000, 'h'],
    [60_000, 'm'],
    [1000, 's'],
    [1, 'ms'],
  ])
}

function largestUnit(value: number, units: readonly (readonly [number, string])[]): string {
  const unit = units.find(([size]) => value !== 0 && value % size === 0)
  return unit === undefined ? String(value) : `${value / unit[0]}${unit[1]}`
}

function escape(cell: string): string {
  return cell.replaceAll('|', '\\|')
}
