/** npm's own configuration: ~/.npmrc, or the file that `npm_config_userconfig` names. pnpm and Yarn 1 read it, too. */
import { readNpmConfig, type NpmConfig } from '../../upstream/npmrc.ts'
import {
  nonEmpty,
  pathsOf,
  type ClientContext,
  type ClientFile,
  type ClientProfile,
} from '../client.ts'
import { npmrcFormat } from './npmrc-format.ts'

export const npm: ClientProfile = {
  files: (context) => [npmrcOf(context)],
  overrides: ['npm_config_registry'],
  // The proxy for https comes first for plain HTTP as well.
  proxies: ['https_proxy', 'http_proxy', 'proxy'],
}

export function npmrcOf(context: ClientContext): ClientFile {
  const path = userConfig(context) ?? pathsOf(context).join(context.home, '.npmrc')
  return { path, format: npmrcFormat, write: 'always' }
}

/** npm's configuration as it is outside of every project. */
export function userNpmConfig(
  context: ClientContext,
  options: { readonly skipsUserRegistry?: boolean } = {},
): NpmConfig {
  const { home } = context
  return readNpmConfig({
    ...context,
    ...options,
    cwd: home,
    execPath: process.execPath,
    projectFolders: [],
  })
}

function userConfig({ env }: ClientContext): string | undefined {
  const name = Object.keys(env).find((key) => key.toLowerCase() === 'npm_config_userconfig')
  return name === undefined ? undefined : nonEmpty(env[name])
}
