/**
 * Which registry a client asks here without us. npm, pnpm and Yarn are asked. Bun and Deno cannot be asked: the public registry
 * is assumed only if no file and no variable names a registry or credentials. Yarn 1 asks the registry that yarn.lock names.
 */
import { join } from 'node:path'
import { DEFAULT_REGISTRY, isYarnAlias } from '../upstream/default-registry.ts'
import type { NpmConfig } from '../upstream/npmrc.ts'
import { ANY_NPM, askClient, canBeAsked, questionFor } from './ask-client.ts'
import type { ClientCommand } from './client-command.ts'
import type { ClientSettings } from './client-question.ts'
import { npmConfigOf, type ConfigContext } from './npm/gateway-npm-config.ts'
import { foldersUpwards, readText } from './project-files.ts'
import { SkippedClient } from './skipped-client.ts'
import { lockedRegistry } from './yarn/yarn-classic-mirror.ts'

export interface OwnRegistry {
  readonly registry: string
  /** What the client answered. */
  readonly settings: ClientSettings
  /** npm's configuration as this client reads it. */
  readonly npm: NpmConfig
  /** It has credentials that are tied to no registry: it sends them to any registry it is pointed at. */
  readonly hasUnscopedCredentials: boolean
}

export interface RegistryContext extends ConfigContext {
  /** Where the command is started; `cwd` is where the client works. */
  readonly startedIn: string
  readonly signal: AbortSignal
}

const UNSCOPED =
  /^(?:YARN_NPM_AUTH_(?:TOKEN|IDENT)|BUN_CONFIG_TOKEN|(?:npm|pnpm|yarn)_config_(?:_auth|_authtoken|_password|token)|yarn__(?:auth|authtoken|password))$/i
const UNSCOPED_KEYS = ['_authToken', '_auth', '_password', '-authtoken', '-auth', '-password']

/** npm where `client` is undefined: another command may start it. @throws SkippedClient */
export async function readRegistry(
  client: ClientCommand | undefined,
  context: RegistryContext,
): Promise<OwnRegistry> {
  const family = client?.family ?? 'npm'
  const npm = npmConfigOf(family, context)
  const settings = await settingsOf(client, context)
  return {
    registry: ownRegistry(family, { context, npm, settings }),
    ...{ settings, npm },
    hasUnscopedCredentials:
      Object.entries(context.env).some(([name, value]) => Boolean(value) && UNSCOPED.test(name)) ||
      UNSCOPED_KEYS.some((key) => npm.get(key)) ||
      ['npmAuthToken', 'npmAuthIdent'].some((key) => typeof settings.get(key) === 'string'),
  }
}

function ownRegistry(
  family: ClientCommand['family'],
  {
    context,
    npm,
    settings,
  }: {
    readonly context: RegistryContext
    readonly npm: NpmConfig
    readonly settings: ClientSettings
  },
): string {
  // Only the client can run the helper, and sends its credentials to the registry alone.
  if ([...npm.keys()].some((key) => key.endsWith('tokenHelper'))) {
    throw new SkippedClient('its credentials come from a tokenHelper')
  }
  if (canBeAsked(family)) return registryOf(settings, family)
  if (family === 'yarn-classic') return lockedRegistry(context)
  const named = namedSomewhere(context)
  if (named !== undefined) throw new SkippedClient(`${named} names a registry or credentials`)
  return DEFAULT_REGISTRY
}

/** The registry that a client's answer names, spelled as it is asked. @throws SkippedClient */
export function registryOf(settings: ClientSettings, family: ClientCommand['family']): string {
  const url = canBeAsked(family) ? settings.get(questionFor(family).registryKey) : undefined
  if (typeof url !== 'string' || !/^https?:\/\//.test(url) || !URL.canParse(url)) {
    throw new SkippedClient('it does not say which registry it asks')
  }
  return isYarnAlias(new URL(url)) ? DEFAULT_REGISTRY : url
}

async function settingsOf(
  client: ClientCommand | undefined,
  { startedIn, env, signal }: RegistryContext,
): Promise<ClientSettings> {
  const { family, program, handedOn } = client ?? ANY_NPM
  if (!canBeAsked(family)) return new Map()
  try {
    return await askClient({ family, program, handedOn }, { cwd: startedIn, env, signal })
  } catch (error) {
    const { message } = error instanceof Error ? error : new Error(String(error))
    throw new SkippedClient(`it did not say which registry it asks: ${message}`)
  }
}

/** The first file or variable of Bun, Deno or npm (both read npm's) that names a registry or credentials. */
function namedSomewhere({ cwd, home, env }: RegistryContext): string | undefined {
  const variable = Object.entries(env).find(
    ([name, value]) =>
      Boolean(value) && /^(?:npm|bun)_config_.*(?:registry|auth|token|userconfig)/i.test(name),
  )
  if (variable !== undefined) return variable[0]
  const config = env.XDG_CONFIG_HOME ?? join(home, '.config')
  const files = [...foldersUpwards(cwd), home, config].flatMap((folder) =>
    ['.npmrc', 'bunfig.toml', '.bunfig.toml'].map((name) => join(folder, name)),
  )
  return files.find((path) => NAMES.test(readText(path) ?? ''))
}

/** In a line that is no comment. */
const NAMES = /^(?![ \t]*[#;]).*(?:registry|auth|token|password|username|scopes)/im
