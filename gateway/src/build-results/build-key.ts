/**
 * What a build result is asked by: a hash of the tool, the team and the tool's own hash of all that went into the task. Peers are
 * asked by this one alone, so a machine that does not know the inputs learns nothing of them. Pure.
 */
import type { BuildTool } from '../http/build-route.ts'
import { markOf } from '../trust/mark-request.ts'

export interface BuildName {
  readonly tool: BuildTool
  /** Whose results: at a gateway the part of the address after `/-/catalog/builds/`. */
  readonly team: string
  /** As the tool says it. */
  readonly hash: string
}

const DOMAIN = 'catalog-p2p build result 1'
export const BUILD_KEY_BYTES = 32

/** SHA-256, hex. */
export function buildKeyOf({ tool, team, hash }: BuildName): string {
  return markOf(DOMAIN, tool, team, hash)
}

/** What the trust file and certificates call the results of a team: its scope stands for those of all teams. */
export function trustNameOf(team: string): string {
  return `@build-results/${team}`
}
