/**
 * Where this machine's private swarm stands: in a file, or in the environment of a CI, where the text itself is the secret. The
 * text is behind a function, so that no listing of settings holds it.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { SWARM_KEY_PREFIX } from '@catalog-p2p/core'

export type SwarmPlace =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'secret'; readonly text: () => string }

/** What the setting says where it means: in no private swarm. */
export const NO_SWARM = 'none'
/** Stands for the secret wherever settings are shown. */
export const SECRET_SHOWN = '(secret)'

export function swarmFilePath(configFolder: string): string {
  return join(configFolder, 'swarm.txt')
}

/** A file's text, or a key, in place of a path. */
export function isSwarmSecret(value: unknown): value is string {
  return typeof value === 'string' && value.includes(SWARM_KEY_PREFIX)
}

/** The file that `catalog swarm init` and `join` write, if there is one. */
export function usualSwarm(configFolder: string): SwarmPlace | undefined {
  const path = swarmFilePath(configFolder)
  return existsSync(path) ? { kind: 'file', path } : undefined
}

/** For commands that are run: a path they may have, the secret not. */
export function withoutSwarm<Env extends Readonly<Record<string, string | undefined>>>(
  env: Env,
): Env {
  if (!isSwarmSecret(env.CATALOG_SWARM)) return env
  return { ...env, CATALOG_SWARM: undefined }
}
