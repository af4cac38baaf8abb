/** pnpm at a gateway, unless it locks the URLs of tarballs: it compares those with what its registry names. */
import { join } from 'node:path'
import type { ClientCommand } from '../client-command.ts'
import { urlsIn } from '../locked-urls.ts'
import { readText } from '../project-files.ts'
import { projectRoot } from '../project-root.ts'
import { plainPlan, type PlanRequest, type RedirectPlan } from '../redirect.ts'
import { SkippedClient } from '../skipped-client.ts'

export function planPnpm(
  { settings }: PlanRequest,
  { cwd }: ClientCommand,
  registry: string,
): RedirectPlan {
  // In either spelling, by its version.
  const names = ['lockfileIncludeTarballUrl', 'lockfile-include-tarball-url']
  if (names.some((name) => settings.get(name) === true || settings.get(name) === 'true')) {
    throw new SkippedClient('it locks the URLs of tarballs (lockfileIncludeTarballUrl)')
  }
  if (pnpmLocksTarballsOf(registry, cwd)) {
    throw new SkippedClient(`pnpm-lock.yaml names tarballs on ${new URL(registry).host}`)
  }
  // pnpm 10 reads npm's variable, newer ones their own.
  return plainPlan(registry, (gateway) => ({
    ...{ npm_config_registry: gateway, pnpm_config_registry: gateway },
  }))
}

/** pnpm 11 and newer refuse a locked URL that is not the one the registry now names. */
function pnpmLocksTarballsOf(registry: string, cwd: string): boolean {
  const text = readText(join(projectRoot(cwd), 'pnpm-lock.yaml')) ?? ''
  const urls = urlsIn(text, /\btarball: ['"]?(https?:\/\/[^\s,'"}]+)/g)
  return urls.some(({ host }) => host === new URL(registry).host)
}
