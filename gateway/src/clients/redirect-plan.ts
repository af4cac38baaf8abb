/**
 * How a client is pointed at a gateway: by variables alone, and only where it then asks for the same packages at the same
 * registry and writes the lockfile that it would write without us. For everything else there is a reason, and the command
 * runs as it would without us. Changes no file.
 *
 * Which variables work was found by running the clients (test/e2e/exec.test.ts runs them again). Most win over every file, in
 * every folder that the command goes to; so they are given to commands that install, and not where those start a client
 * elsewhere.
 */
import { redactUrl } from '../http/redact-url.ts'
import { withoutUser } from '../upstream/registries.ts'
import { planBun } from './bun/bun-redirect.ts'
import { planDeno } from './deno/deno-redirect.ts'
import { startsOtherClients } from './lifecycle-scripts.ts'
import { isWeak, planNpm, planWeakly } from './npm/npm-redirect.ts'
import { planPnpm } from './pnpm/pnpm-redirect.ts'
import { plainPlan, type PlanRequest, type RedirectPlan } from './redirect.ts'
import { isPublicRegistry } from './same-registry.ts'
import { SkippedClient } from './skipped-client.ts'
import { planYarn } from './yarn/yarn-redirect.ts'

/** @throws SkippedClient */
export function planRedirect(request: PlanRequest): RedirectPlan {
  const { client, upstream } = request
  const own = request.registry
  const registry = upstream ?? own
  const isOther = !isPublicRegistry(own) && withoutUser(own) !== withoutUser(registry)
  // The user's choice is for what has no registry of its own.
  if (isOther) throw new SkippedClient(`its registry is ${redactUrl(own)}`)
  if (client?.isInstall !== true) return planWeakly(request, registry)
  if (client.family === 'npm' && isWeak(request)) return planWeakly(request, registry)
  // Only Yarn 1 knows its variable (yarn-classic-mirror.ts).
  if (client.family === 'yarn-classic') return plainPlan(registry, () => ({}))
  if (startsOtherClients(client)) {
    throw new SkippedClient(
      'a script in package.json starts another client, or one in another folder',
    )
  }
  switch (client.family) {
    case 'npm':
      return planNpm(request, client, registry)
    case 'pnpm':
      return planPnpm(request, client, registry)
    case 'yarn-berry':
      return planYarn(request, registry)
    case 'bun':
      return planBun(registry)
    case 'deno':
      return planDeno(registry)
  }
}
