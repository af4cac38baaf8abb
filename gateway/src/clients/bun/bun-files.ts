/** Bun's own configuration: one TOML file of the user. */
import { nonEmpty, pathsOf, type ClientProfile } from '../client.ts'
import { bunfigFormat } from './bunfig-format.ts'

export const bun: ClientProfile = {
  files(context) {
    const folder = nonEmpty(context.env.XDG_CONFIG_HOME) ?? context.home
    const path = pathsOf(context).join(folder, '.bunfig.toml')
    return [{ path, format: bunfigFormat, write: 'always' }]
  },
  overrides: ['bun_config_registry', 'npm_config_registry'],
  proxies: ['http_proxy'],
}
