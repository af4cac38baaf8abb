/** Bun takes its registry from one variable, which wins over bunfig.toml. */
import { plainPlan, type RedirectPlan } from '../redirect.ts'

export function planBun(registry: string): RedirectPlan {
  return plainPlan(registry, (gateway) => ({ BUN_CONFIG_REGISTRY: gateway }))
}
