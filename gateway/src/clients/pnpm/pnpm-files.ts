/** pnpm's own configuration: npm's file, and since pnpm 11 two of its own that win over it. */
import { posix, win32 } from 'node:path'
import {
  nonEmpty,
  pathsOf,
  setVariables,
  type ClientContext,
  type ClientProfile,
} from '../client.ts'
import { npmrcOf, npm } from '../npm/npm-files.ts'
import { npmrcFormat } from '../npm/npmrc-format.ts'
import { pnpmYamlFormat } from './pnpm-yaml-format.ts'

export const pnpm: ClientProfile = {
  files(context) {
    const inFolder = (name: string): string =>
      pathsOf(context).join(pnpmConfigFolder(context), name)
    const own = { write: 'when-set', reads: 'pnpm 11 and newer' } as const
    return [
      npmrcOf(context),
      { path: inFolder('auth.ini'), format: npmrcFormat, ...own },
      { path: inFolder('config.yaml'), format: pnpmYamlFormat, ...own },
    ]
  },
  overrides: ['npm_config_registry', 'pnpm_config_registry'],
  proxies: npm.proxies,
}

/** The folder of pnpm's own configuration. */
export function pnpmConfigFolder({ env, home, platform }: ClientContext): string {
  const xdg = nonEmpty(env.XDG_CONFIG_HOME)
  if (xdg !== undefined) return pathsOf({ platform }).join(xdg, 'pnpm')
  if (platform === 'darwin') return posix.join(home, 'Library', 'Preferences', 'pnpm')
  if (platform !== 'win32') return posix.join(home, '.config', 'pnpm')
  const data = nonEmpty(env.LOCALAPPDATA) ?? win32.join(home, 'AppData', 'Local')
  return win32.join(data, 'pnpm', 'config')
}

/** Environment variables that are set and win over every file that names a global pnpmfile. */
export function pnpmfileVariables(
  env: ClientContext['env'],
): readonly { name: string; value: string }[] {
  return setVariables(['npm_config_global_pnpmfile', 'pnpm_config_global_pnpmfile'], env)
}
