/** The command line that a service runs: this program, with the settings that were given at install. */
import { realpathSync } from 'node:fs'
import { sep } from 'node:path'
import { CatalogError } from '@catalog-p2p/core'
import { environmentOf, flagOf } from '../../config/setting.ts'
import { SETTINGS } from '../../config/settings.ts'
import type { Config } from '../../config/resolve.ts'
import type { Terminal } from '../shell/terminal.ts'

export interface Program {
  /** Node itself. */
  readonly execPath: string
  readonly execArgv: readonly string[]
  /** The script that is running. */
  readonly script: string
}

export function thisProgram(): Program {
  const { execPath, execArgv, argv } = process
  return { execPath, execArgv, script: realpathSync(argv[1] ?? '') }
}

/** @throws CatalogError INVALID_OPTIONS when the program will not be there tomorrow */
export function daemonArguments(
  { execPath, execArgv, script }: Program,
  options: readonly string[],
): string[] {
  if (script.includes(`${sep}_npx${sep}`)) {
    throw new CatalogError('INVALID_OPTIONS', 'npx keeps this program for a while only', {
      hint: 'npm install --global @catalog-p2p/gateway, then catalog service install',
    })
  }
  return [execPath, ...execArgv, script, 'start', ...options]
}

/** The daemon's settings among those given to install. */
export function daemonOptions(config: Config, configFile: string | undefined): string[] {
  const named = configFile === undefined ? [] : [`--config=${config.file ?? configFile}`]
  return [...named, ...flagsOf(config)]
}

/** What came by flags, as flags, with paths made absolute. */
function flagsOf({ given }: Config): string[] {
  return SETTINGS.flatMap((setting) => {
    const found = given.get(setting.name)
    const flag = flagOf(setting)
    // --json is about the output of install itself.
    if (found === undefined || found.origin !== flag || setting.name === 'json') return []
    const { value } = found
    if (setting.type === 'boolean') return [value === true ? flag : `--no-${setting.name}`]
    const values = Array.isArray(value) ? value : [value]
    return values.map((one) => `${flag}=${asText(setting.type, one)}`)
  })
}

function asText(type: string, value: unknown): string {
  return type === 'duration' ? `${String(value)}ms` : String(value)
}

/** Settings in this shell's environment, which the service will not have. */
export function variablesLeftBehind({ env }: Terminal): string[] {
  return [...SETTINGS.map(environmentOf), 'CATALOG_CONFIG'].filter(
    (name) => env[name] !== undefined && env[name] !== '',
  )
}
