/**
 * Which registry a client's Authorization header belongs to: the one that the client believes to talk to. At the gateway that is
 * its main upstream, at a scope's place (scope-mount.ts) that scope's registry. A registry that only the daemon's own .npmrc
 * knows of never sees it, unless it is the very secret that is configured for it there. docs/threat-model.md has the rule.
 */
import type { Credentials } from './credentials.ts'
import type { Exchange } from '../http/exchange.ts'
import { nameIn, type Registries } from './registries.ts'

/** What the client sent, if it may be shown to the registry of `name` (of calls about no package when undefined). */
export function clientCredentials(
  registries: Registries,
  { req, target: { scope } }: Pick<Exchange, 'req' | 'target'>,
  name: string | undefined,
): Credentials | undefined {
  const { authorization } = req.headers
  if (authorization === undefined || authorization === '') return undefined
  const sent = registries.identify(authorization)
  const { url } = registries.homeOf(name ?? nameIn(scope))
  return ownersOf(registries, sent, scope).has(url) ? sent : undefined
}

function ownersOf(
  registries: Registries,
  sent: Credentials,
  scope: string | undefined,
): ReadonlySet<string> {
  const all = registries.all()
  if (scope !== undefined) {
    return new Set(all.filter((one) => one.scope === scope).map(({ url }) => url))
  }
  const configured = all.flatMap(({ url }) => {
    const own = registries.credentialsFor(new URL(url))
    return own?.fingerprint === sent.fingerprint ? [url] : []
  })
  // Known to be another registry's secret: the main upstream has no business with it.
  return new Set(configured.length > 0 ? configured : [registries.homeOf(undefined).url])
}
