/**
 * Programs beside us that look at what package managers fetch, and block some of it. They do so at the registries that they know: a
 * client that is pointed at this gateway asks another address, and the gateway itself asks the registry without them. Reads their
 * files, changes nothing.
 */
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { pathsOf, type ClientContext } from '../../clients/client.ts'
import { ok, warn, type Finding } from './check.ts'

const OWN_RULES = 'give the guard rules of its own: --malware-list, --min-release-age'
const SAFE_CHAIN_VARIABLE = 'SAFE_CHAIN_NPM_CUSTOM_REGISTRIES'
const configSchema = z.object({ npm: z.object({ customRegistries: z.array(z.string()) }) })

/** @param isUsed some client of this user is pointed at the gateway */
export async function checkFirewalls(
  context: ClientContext,
  { gatewayUrl, isUsed }: { readonly gatewayUrl: string; readonly isUsed: boolean },
): Promise<Finding[]> {
  const found = await Promise.all([
    checkSafeChain(context, gatewayUrl, isUsed),
    checkSocketFirewall(context, isUsed),
  ])
  return found.filter((one) => one !== undefined)
}

/** https://github.com/AikidoSec/safe-chain: aliases of the shell, or shims in PATH, around a proxy. */
async function checkSafeChain(
  context: ClientContext,
  gatewayUrl: string,
  isUsed: boolean,
): Promise<Finding | undefined> {
  const folder = pathsOf(context).join(context.home, '.safe-chain')
  const isInPath = pathOf(context).some((each) => /safe-chain[\\/](?:shims|bin)[\\/]?$/.test(each))
  if (!isInPath && !(await exists(folder))) return undefined
  const { host, hostname } = new URL(gatewayUrl)
  const told = [
    ...(context.env[SAFE_CHAIN_VARIABLE] ?? '').split(',').map((each) => each.trim()),
    ...(await toldByFile(join(folder, 'config.json'))),
  ]
  const name = 'safe-chain'
  if (told.some((each) => each === host || each === hostname)) return ok(name, 'knows this gateway')
  if (!isUsed) return ok(name, 'looks at what clients fetch; none of them uses this gateway')
  const next = `set ${SAFE_CHAIN_VARIABLE}=${host}, and ${OWN_RULES}`
  return warn(
    name,
    'does not know this gateway, so what clients get from it is not looked at',
    next,
  )
}

/** https://docs.socket.dev/docs/socket-firewall-overview: `sfw npm install`, a proxy for one command. */
async function checkSocketFirewall(
  context: ClientContext,
  isUsed: boolean,
): Promise<Finding | undefined> {
  const name = 'Socket Firewall'
  const program = context.platform === 'win32' ? 'sfw.exe' : 'sfw'
  const places = [
    ...pathOf(context).map((folder) => join(folder, program)),
    join(context.home, '.sfw.config'),
  ]
  const isThere = (await Promise.all(places.map(exists))).includes(true)
  if (!isThere) return undefined
  if (!isUsed) return ok(name, 'looks at what "sfw" runs; no client uses this gateway')
  return warn(name, 'may not see what clients get from this gateway', OWN_RULES)
}

function pathOf({ env, platform }: ClientContext): string[] {
  const [, value = ''] = Object.entries(env).find(([key]) => key.toLowerCase() === 'path') ?? []
  return value.split(platform === 'win32' ? ';' : ':').filter((each) => each !== '')
}

async function toldByFile(path: string): Promise<readonly string[]> {
  try {
    return configSchema.parse(JSON.parse(await readFile(path, 'utf8'))).npm.customRegistries
  } catch {
    return [] // none, or nothing of registries in it
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
