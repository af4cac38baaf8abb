/**
 * Yarn behind a registry that is not the public one: it stays with that registry, and a plugin of ours (yarn-relay.cjs), loaded
 * for the length of the command, has what it asks of it go through the gateway. Pointed at the gateway itself Yarn would look
 * for credentials under the wrong name, and lock other URLs wherever that registry's tarballs are at unusual places.
 */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { UPSTREAM_VIEW } from '../../http/request-target.ts'
import type { Variables } from '../variables.ts'

/** Beside dist and src. */
const PLUGIN = fileURLToPath(new URL('../../../yarn-relay.cjs', import.meta.url))

/** A folder inside of an archive, as Yarn's own PnP has them, is one only to programs that run under it. */
export function hasRelay(): boolean {
  return process.versions.pnp === undefined && !PLUGIN.includes(';') && existsSync(PLUGIN)
}

/** `others`: the plugins that Yarn loads anyway; `registry` as compared: without a user, with a slash at its end. */
export function relayVariables(
  others: string | undefined,
  { gateway, registry }: { readonly gateway: string; readonly registry: string },
): Variables {
  const place = `${gateway.replace(/\/$/, '')}${UPSTREAM_VIEW}/`
  return {
    // Yarn's own separator, on every platform.
    YARN_PLUGINS: [others, PLUGIN].filter(Boolean).join(';'),
    // Read by the plugin.
    CATALOG_EXEC_YARN: JSON.stringify({ gateway: place, registry }),
  }
}
