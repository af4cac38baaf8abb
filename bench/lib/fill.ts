/** The same artifact for several providers. */
import type { StartedNode } from './stage.ts'

/** @returns the digest of `bytes` random bytes, which are the same for the same seed */
export async function fill(
  providers: readonly StartedNode[],
  seed: number,
  bytes: number,
): Promise<string> {
  let digest = ''
  for (const { child } of providers) digest = await child.call<string>('putRandom', { bytes, seed })
  return digest
}
