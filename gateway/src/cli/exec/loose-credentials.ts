/**
 * Credentials that are tied to no registry: the client sends them to whatever registry it is pointed at, so to a gateway too.
 * Only whether there are any, for any client: nothing here is kept or shown.
 */
import type { NpmConfig } from '../../upstream/npmrc.ts'
import type { ExecPlace } from './client-registry.ts'
import { readYarnSettings } from './yarnrc-files.ts'

const KEYS = ['_authToken', '_auth', '_password', '-authtoken', '-auth', '-password']
const VARIABLES =
  /^(?:YARN_NPM_AUTH_(?:TOKEN|IDENT)|BUN_CONFIG_TOKEN|(?:npm|pnpm|yarn)_config_(?:_auth|_authtoken|_password|token)|yarn__(?:auth|authtoken|password))$/i

export function hasLooseCredentials(place: ExecPlace, npm: NpmConfig): boolean {
  const isSet = Object.entries(place.env).some(
    ([name, value]) => value !== undefined && value !== '' && VARIABLES.test(name),
  )
  return isSet || KEYS.some((key) => npm.get(key)) || readYarnSettings(place).hasLooseCredentials
}
