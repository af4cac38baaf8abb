/** Yarn's own configuration: ~/.yarnrc.yml for Yarn 2 and newer, ~/.yarnrc and npm's file for Yarn 1. */
import { pathsOf, type ClientProfile } from '../client.ts'
import { npmrcOf } from '../npm/npm-files.ts'
import { yarnV1Format } from './yarn-v1-format.ts'
import { yarnrcFormat } from './yarnrc-format.ts'

export const yarn: ClientProfile = {
  files(context) {
    const atHome = (name: string): string => pathsOf(context).join(context.home, name)
    return [
      {
        path: atHome(context.env.YARN_RC_FILENAME ?? '.yarnrc.yml'),
        format: yarnrcFormat,
        write: 'always',
        reads: 'Yarn 2 and newer',
      },
      { path: atHome('.yarnrc'), format: yarnV1Format, write: 'always', reads: 'Yarn 1' },
      // A registry in npm's file wins over ~/.yarnrc.
      { ...npmrcOf(context), write: 'when-set', reads: 'Yarn 1' },
    ]
  },
  overrides: ['yarn_npm_registry_server', 'npm_config_registry', 'yarn_registry'],
  // Yarn 4 heeds no such variable.
  proxies: [],
}
