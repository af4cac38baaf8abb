/**
 * Yarn behind a registry that is not the public one: it stays with that registry, and a plugin of ours (yarn-relay.cjs), loaded
 * for the length of the command, has what it asks of it go through the gateway. Pointed at the gateway itself Yarn would look
 * for credentials under the wrong name, and lock other URLs wherever that registry's tarballs are at unusual places.
 */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { AS_UPSTREAM } from '../../http/as-upstream.ts'
import { DEFAULT_REGISTRY_HOST } from '../../upstream/default-registry.ts'
import { withoutUser } from '../../upstream/registries.ts'
import type { ExecPlace } from './client-registry.ts'

/** Beside dist and src. */
const PLUGIN = fileURLToPath(new URL('../../../yarn-relay.cjs', import.meta.url))

/** Read by the plugin. */
const VARIABLE = 'CATALOG_EXEC_YARN'

/** The gateway that a command around this one has Yarn's requests for `registry` go through. */
export function relayedTo({ env }: ExecPlace, registry: string): string | undefined {
  const found = /"gateway":"([^"]+)","registry":"([^"]+)"/.exec(env[VARIABLE] ?? '')
  const [, gateway, relayed] = found ?? []
  if (!URL.canParse(registry) || relayed !== withoutUser(registry)) return undefined
  return gateway
}

/** Whether Yarn's own registry is the one behind the gateway, so that its requests may take that way; pure but for one look. */
export function canRelay(registry: string, upstream: string): boolean {
  if (!/^https?:/.test(registry) || !URL.canParse(registry)) return false
  const isPublic = new URL(registry).host === DEFAULT_REGISTRY_HOST
  return !isPublic && withoutUser(registry) === upstream && hasPlugin()
}

/** A folder inside of an archive, as Yarn's own PnP has them, is one only to programs that run under it. */
function hasPlugin(): boolean {
  return process.versions.pnp === undefined && !PLUGIN.includes(';') && existsSync(PLUGIN)
}

/** `registry` as compared: without a user, with a slash at its end. */
export function relayVariables(
  { env }: ExecPlace,
  { gateway, registry }: { gateway: string; registry: string },
): Readonly<Record<string, string>> {
  const others = env.YARN_PLUGINS ?? ''
  const place = `${gateway.replace(/\/$/, '')}${AS_UPSTREAM}/`
  return {
    // Yarn's own separator, on every platform.
    YARN_PLUGINS: others === '' ? PLUGIN : `${others};${PLUGIN}`,
    [VARIABLE]: JSON.stringify({ gateway: place, registry }),
  }
}
