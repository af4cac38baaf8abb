/** Which files and variables say where a client gets its packages, by its name. */
import { bun } from './bun/bun-files.ts'
import {
  setVariables,
  type ClientContext,
  type ClientFile,
  type ClientName,
  type ClientProfile,
} from './client.ts'
import { npm } from './npm/npm-files.ts'
import { pnpm } from './pnpm/pnpm-files.ts'
import { yarn } from './yarn/yarn-files.ts'

const PROFILES: Readonly<Record<ClientName, ClientProfile>> = { npm, pnpm, yarn, bun }

export function clientProfile(client: ClientName): ClientProfile {
  return PROFILES[client]
}

/** In the order in which the client asks them. */
export function clientFiles(client: ClientName, context: ClientContext): readonly ClientFile[] {
  return PROFILES[client].files(context)
}

/** Environment variables that are set and win over every file of a client. */
export function overridingVariables(
  client: ClientName,
  env: ClientContext['env'],
): readonly { name: string; value: string }[] {
  return setVariables(PROFILES[client].overrides, env)
}
