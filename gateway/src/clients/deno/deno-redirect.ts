/** Deno takes npm's registry from one variable. It has no configuration of its own for `catalog use` to write. */
import { plainPlan, type RedirectPlan } from '../redirect.ts'

export function planDeno(registry: string): RedirectPlan {
  return plainPlan(registry, (gateway) => ({ NPM_CONFIG_REGISTRY: gateway }))
}
