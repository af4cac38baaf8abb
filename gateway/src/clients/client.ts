/**
 * The package managers that `catalog use` configures, and what a folder of this room says about each of them: which files
 * name its registry, and which environment variables win over those. Found by running the clients (npm 10-12, pnpm 10-12,
 * Yarn 1 and 4, Bun 1.4), not from their documentation alone. Describes; reads and writes nothing.
 */
import { posix, win32 } from 'node:path'
import type { RegistryFormat } from './registry-format.ts'

export const CLIENTS = ['npm', 'pnpm', 'yarn', 'bun'] as const
export type ClientName = (typeof CLIENTS)[number]

/** What a client's configuration depends on beside the project. */
export interface ClientContext {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly home: string
  readonly platform: NodeJS.Platform
}

export interface ClientFile {
  readonly path: string
  readonly format: RegistryFormat
  /**
   * always: the setting is written there, in a new file if need be; when-set: only where the file names a registry
   * already, because the client would take that before ours.
   */
  readonly write: 'always' | 'when-set'
  /** Which of the client's versions read it, where not all do. */
  readonly reads?: string
}

export interface ClientProfile {
  /** Files of the user that name the registry, in the order in which the client asks them. */
  files(context: ClientContext): readonly ClientFile[]
  /** Environment variables, in lower case, that win over every file. */
  readonly overrides: readonly string[]
  /** Those that name a proxy for plain HTTP, in lower case; the first that is set counts. */
  readonly proxies: readonly string[]
}

/** The same without anything else that `context` may hold. */
export function clientContext({ env, home, platform }: ClientContext): ClientContext {
  return { env, home, platform }
}

/** Paths as on the platform of `context`. */
export function pathsOf({ platform }: Pick<ClientContext, 'platform'>): typeof posix {
  return platform === 'win32' ? win32 : posix
}

/** The variables of `env` that have one of these names (in lower case) and a value. */
export function setVariables(
  wanted: readonly string[],
  env: ClientContext['env'],
): readonly { name: string; value: string }[] {
  return Object.entries(env).flatMap(([name, value]) =>
    value !== undefined && value !== '' && wanted.includes(name.toLowerCase())
      ? [{ name, value }]
      : [],
  )
}

export function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text
}
