/** The environment of a command with variables of ours; no file is touched. */
import type { Environment } from '../upstream/npmrc.ts'

export type Variables = Readonly<Record<string, string>>

/** Exempts the gateway from proxies: npm and pnpm would otherwise ask a proxy for this machine's own address. */
export function directTo(
  gateway: string,
  env: Environment,
  noproxy: string | undefined,
): Variables {
  const { hostname } = new URL(gateway)
  // '*' is everything, us included, and for curl only if it stands alone.
  const withUs = (list = ''): string =>
    list.trim() === '*'
      ? '*'
      : [...new Set([...list.split(','), hostname])]
          .map((one) => one.trim())
          .filter(Boolean)
          .join(',')
  const before = env.NO_PROXY ?? env.no_proxy
  return {
    NO_PROXY: withUs(before),
    no_proxy: withUs(env.no_proxy ?? before),
    ...(noproxy !== undefined && {
      npm_config_noproxy: withUs(noproxy),
      pnpm_config_noproxy: withUs(noproxy),
    }),
  }
}

/**
 * `env` with `variables` in place of the same names in any case: npm reads its variables in any case, and Windows does not
 * distinguish.
 */
export function withVariables(env: Environment, variables: Variables): Record<string, string> {
  const replaced = new Set(Object.keys(variables).map((name) => name.toLowerCase()))
  const kept = Object.entries(env).flatMap(([name, value]) =>
    value === undefined || replaced.has(name.toLowerCase()) ? [] : [[name, value] as const],
  )
  return { ...Object.fromEntries(kept), ...variables }
}
