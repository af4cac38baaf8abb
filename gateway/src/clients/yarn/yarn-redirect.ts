/** Yarn 2 and newer at a gateway: pointed there, or, behind a registry that is not the public one, relayed (yarn-relay.ts). */
import { withoutUser } from '../../upstream/registries.ts'
import { plainPlan, type PlanRequest, type RedirectPlan } from '../redirect.ts'
import { isPublicRegistry } from '../same-registry.ts'
import { SkippedClient } from '../skipped-client.ts'
import { hasRelay, relayVariables } from './yarn-relay.ts'

export function planYarn(request: PlanRequest, registry: string): RedirectPlan {
  const { settings, peersOnly } = request
  const isPublic = isPublicRegistry(request.registry)
  if (!isPublic && !peersOnly && hasRelay()) {
    const relayed = withoutUser(registry)
    return plainPlan(registry, (gateway) =>
      relayVariables(request.plugins, { gateway, registry: relayed }),
    )
  }
  if (typeof settings.get('httpProxy') === 'string') {
    throw new SkippedClient('Yarn sends everything through its httpProxy')
  }
  const listed = settings.get('unsafeHttpWhitelist')
  const unsafe = Array.isArray(listed) ? listed.map(String) : []
  // Yarn builds tarball URLs from it and compares them as text: no trailing slash, as its own default.
  return plainPlan(registry, (gateway) => ({
    YARN_NPM_REGISTRY_SERVER: gateway.replace(/\/$/, ''),
    YARN_UNSAFE_HTTP_WHITELIST: [...new Set([new URL(gateway).hostname, ...unsafe])].join(','),
  }))
}
