/** `catalog config`: every setting with its value and the source of that value. Prints no secret. */
import { defaultStorePath } from '@catalog-p2p/core'
import { defaultValue, shownNumber } from '../../config/options-document.ts'
import type { Config } from '../../config/resolve.ts'
import { environmentOf, fileKeyOf, flagOf, type Setting } from '../../config/setting.ts'
import { SETTINGS } from '../../config/settings.ts'
import { redactUrl } from '../../http/redact-url.ts'
import { loadConfig, type Invocation } from '../shell/invocation.ts'
import { EXIT } from '../shell/exit-codes.ts'
import { formatTable } from '../shell/format.ts'

export async function configCommand(invocation: Invocation): Promise<number> {
  const { terminal } = invocation
  const config = loadConfig(invocation)
  const rows = rowsOf(config)
  if (config.json) {
    const settings = settingsReport(config)
    terminal.print(JSON.stringify({ configFile: config.file ?? null, settings }))
    return EXIT.ok
  }
  terminal.print(`config file: ${config.file ?? 'none'}`)
  const table = formatTable(
    [{ title: 'SETTING' }, { title: 'VALUE' }, { title: 'FROM' }],
    rows.map(({ setting, value, origin }) => [setting.name, shown(setting, value), origin]),
  )
  for (const line of table) terminal.print(line)
  return EXIT.ok
}

interface Row {
  readonly setting: Setting
  readonly value: unknown
  readonly origin: string
}

function rowsOf({ given }: Config): Row[] {
  return SETTINGS.map((setting) => {
    const found = given.get(setting.name)
    const value = found === undefined ? valueUnset(setting) : found.value
    return { setting, value, origin: found?.origin ?? 'default' }
  })
}

/** As JSON, without secrets. */
export function settingsReport(config: Config) {
  return rowsOf(config).map(({ setting, value, origin }) => ({
    name: setting.name,
    flag: flagOf(setting),
    environment: environmentOf(setting),
    file: fileKeyOf(setting),
    value: withoutSecrets(value) ?? null,
    origin,
  }))
}

function valueUnset(setting: Setting): unknown {
  return setting.name === 'store' ? defaultStorePath() : defaultValue(setting)
}

function shown(setting: Setting, value: unknown): string {
  if (value === undefined) return '-'
  if (typeof value === 'number') return shownNumber(setting.type, value)
  const safe = withoutSecrets(value)
  if (Array.isArray(safe)) return safe.length === 0 ? '-' : safe.join(', ')
  return typeof safe === 'string' ? safe : JSON.stringify(safe)
}

/** URLs are redacted: people paste this output into questions. */
function withoutSecrets(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutSecrets)
  return typeof value === 'string' && /^\w+:\/\//.test(value) ? redactUrl(value) : value
}
