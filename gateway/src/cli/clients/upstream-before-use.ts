/** The registry that npm was configured with before `catalog use` pointed it at us: what the daemon then has behind it. */
import { expandEnvironment } from '../../upstream/npmrc.ts'
import { previousRegistry, readUseState } from './use-state.ts'
import type { UseDependencies } from './use.ts'

/** undefined when nothing was changed, or what was there makes no sense as a URL. */
export async function upstreamBeforeUse(deps: UseDependencies): Promise<string | undefined> {
  const previous = previousRegistry(await readUseState(deps.statePath))
  if (previous === undefined) return undefined
  const url = expandEnvironment(previous, deps.place.env)
  return /^https?:/.test(url) && URL.canParse(url) ? url : undefined
}
