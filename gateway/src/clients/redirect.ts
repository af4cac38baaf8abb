/** What it takes to point one client at a gateway: the request, and the plan that redirect-plan.ts makes of it. */
import type { NpmConfig } from '../upstream/npmrc.ts'
import type { ClientCommand } from './client-command.ts'
import type { ClientSettings } from './client-question.ts'
import type { Variables } from './variables.ts'

export interface RedirectPlan {
  /** The registry behind the gateway, as it is configured: it may hold a user and a password. */
  readonly registry: string
  /** The registry's metadata of a package decides how npm is told: ask for one. */
  readonly needsTarballUrl: boolean
  /** npm's own configuration names no registry: a file that every other one wins over is enough. */
  readonly isWeak: boolean
  /** @throws SkippedClient when `tarball`, the URL of one in the registry's metadata, leaves no way */
  variables(gateway: string, tarball: string | undefined): Variables
}

export interface PlanRequest {
  /** undefined: another command, in which npm may run. */
  readonly client: ClientCommand | undefined
  /** What the client, or npm, answered. */
  readonly settings: ClientSettings
  /** npm's configuration as files and variables have it here. */
  readonly npm: NpmConfig
  /** Chosen by the user for the gateway. */
  readonly upstream: string | undefined
  readonly peersOnly: boolean
  /** Those that Yarn loads anyway (YARN_PLUGINS). */
  readonly plugins: string | undefined
  /** What the client would ask: its answer, or what was behind the gateway that it names. */
  readonly registry: string
}

/** The same variables whatever the registry answers. */
export function plainPlan(
  registry: string,
  variables: (gateway: string) => Variables,
): RedirectPlan {
  return { registry, needsTarballUrl: false, isWeak: false, variables }
}
