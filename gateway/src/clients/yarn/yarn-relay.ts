/**
 * Yarn behind a registry that is not the public one: its configuration stays, and a plugin of ours (yarn-relay.cjs), loaded for
 * as long as the command runs, sends requests for that registry through the gateway. Redirected like other clients, Yarn would
 * look up credentials for the wrong registry, and lock other URLs where the registry's tarballs are at unusual paths.
 */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { UPSTREAM_VIEW } from '../../http/request-target.ts'
import { PACKAGE_FOLDER } from '../../package-folder.ts'
import type { Variables } from '../variables.ts'

/** Beside dist and src. */
const PLUGIN = fileURLToPath(new URL('yarn-relay.cjs', PACKAGE_FOLDER))

/** False inside a PnP archive: only programs that run under PnP can read files there. */
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
