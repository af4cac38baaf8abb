/**
 * Which files of the user's say where a client gets its packages, in the order the client asks them. Found by running
 * the clients (npm 10-12, pnpm 10-12, Yarn 1 and 4, Bun 1.4), not from their documentation alone. Pure.
 */
import { posix, win32 } from 'node:path'
import { bunfigFormat } from './bunfig-format.ts'
import { npmrcFormat } from './npmrc-format.ts'
import type { RegistryFormat } from './registry-format.ts'
import { pnpmYamlFormat, yarnrcFormat } from './yaml-format.ts'
import { yarnV1Format } from './yarn-v1-format.ts'

export const CLIENTS = ['npm', 'pnpm', 'yarn', 'bun'] as const
export type ClientName = (typeof CLIENTS)[number]

export interface ClientPlace {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly home: string
  readonly platform: NodeJS.Platform
}

/** Anything that knows them, without the rest. */
export function clientPlace({ env, home, platform }: ClientPlace): ClientPlace {
  return { env, home, platform }
}

export interface ClientFile {
  readonly path: string
  readonly format: RegistryFormat
  /**
   * always: the setting is written there, in a new file if need be; when-set: only where the file names a registry
   * already, because the client would take that before ours.
   */
  readonly write: 'always' | 'when-set'
  /** Which of the client's versions read it, where not all do. */
  readonly reads?: string
}

export function clientFiles(client: ClientName, place: ClientPlace): readonly ClientFile[] {
  const paths = place.platform === 'win32' ? win32 : posix
  const home = (name: string): string => paths.join(place.home, name)
  const npmrc: ClientFile = {
    path: npmUserConfig(place) ?? home('.npmrc'),
    format: npmrcFormat,
    write: 'always',
  }
  const override: ClientFile = { ...npmrc, write: 'when-set' }
  switch (client) {
    case 'npm':
      return [npmrc]
    case 'pnpm': {
      const folder = pnpmConfigFolder(place)
      const reads = 'pnpm 11 and newer'
      return [
        npmrc,
        { path: paths.join(folder, 'auth.ini'), format: npmrcFormat, write: 'when-set', reads },
        {
          path: paths.join(folder, 'config.yaml'),
          format: pnpmYamlFormat,
          write: 'when-set',
          reads,
        },
      ]
    }
    case 'yarn':
      return [
        {
          path: home(place.env.YARN_RC_FILENAME ?? '.yarnrc.yml'),
          format: yarnrcFormat,
          write: 'always',
          reads: 'Yarn 2 and newer',
        },
        { path: home('.yarnrc'), format: yarnV1Format, write: 'always', reads: 'Yarn 1' },
        // A registry in npm's file wins over ~/.yarnrc.
        { ...override, reads: 'Yarn 1' },
      ]
    case 'bun':
      return [
        {
          path: paths.join(nonEmpty(place.env.XDG_CONFIG_HOME) ?? place.home, '.bunfig.toml'),
          format: bunfigFormat,
          write: 'always',
        },
      ]
  }
}

/** Environment variables that win over every file of a client. */
export function overridingVariables(
  client: ClientName,
  env: ClientPlace['env'],
): readonly { name: string; value: string }[] {
  return setVariables(OVERRIDES[client], env)
}

/** The same of pnpm's global pnpmfile. */
export function pnpmfileVariables(
  env: ClientPlace['env'],
): readonly { name: string; value: string }[] {
  return setVariables(['npm_config_global_pnpmfile', 'pnpm_config_global_pnpmfile'], env)
}

function setVariables(wanted: readonly string[], env: ClientPlace['env']) {
  return Object.entries(env).flatMap(([name, value]) =>
    value !== undefined && value !== '' && wanted.includes(name.toLowerCase())
      ? [{ name, value }]
      : [],
  )
}

const OVERRIDES: Readonly<Record<ClientName, readonly string[]>> = {
  npm: ['npm_config_registry'],
  pnpm: ['npm_config_registry', 'pnpm_config_registry'],
  yarn: ['yarn_npm_registry_server', 'npm_config_registry', 'yarn_registry'],
  bun: ['bun_config_registry', 'npm_config_registry'],
}

function npmUserConfig({ env }: ClientPlace): string | undefined {
  const name = Object.keys(env).find((key) => key.toLowerCase() === 'npm_config_userconfig')
  return name === undefined ? undefined : nonEmpty(env[name])
}

/** Where pnpm keeps its own configuration. */
export function pnpmConfigFolder({ env, home, platform }: ClientPlace): string {
  const xdg = nonEmpty(env.XDG_CONFIG_HOME)
  if (xdg !== undefined) return (platform === 'win32' ? win32 : posix).join(xdg, 'pnpm')
  if (platform === 'darwin') return posix.join(home, 'Library', 'Preferences', 'pnpm')
  if (platform !== 'win32') return posix.join(home, '.config', 'pnpm')
  const data = nonEmpty(env.LOCALAPPDATA) ?? win32.join(home, 'AppData', 'Local')
  return win32.join(data, 'pnpm', 'config')
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === undefined || text === '' ? undefined : text
}
