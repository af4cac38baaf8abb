/**
 * Whether a registry that is not the public one names the public one's tarballs in its metadata: some pass it on as it is. Asks the
 * gateway for what the command will ask it for anyway, and takes no answer for no.
 */
import { join } from 'node:path'
import { DEFAULT_REGISTRY_HOST } from '../../upstream/default-registry.ts'
import { projectRoot, readText } from './project-files.ts'
import { registryDocument } from './registry-document.ts'

const MAX_NAMES = 3
const TIMEOUT_MS = 3_000

export async function showsPublicTarballs(
  gateway: string,
  cwd: string,
  signal: AbortSignal,
): Promise<boolean> {
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)])
  for (const name of namesIn(cwd)) {
    const host = await tarballHost(gateway, name, bounded).catch(() => undefined)
    if (host !== undefined) return host === DEFAULT_REGISTRY_HOST
  }
  return false
}

/** Of dependencies; npm itself, which nearly every registry has, where there are none. */
function namesIn(cwd: string): string[] {
  const text = readText(join(projectRoot(cwd) ?? cwd, 'package.json')) ?? '{}'
  const found: string[] = []
  try {
    const { dependencies, devDependencies } = JSON.parse(text) as Record<string, object | undefined>
    for (const [name, range] of Object.entries({ ...devDependencies, ...dependencies })) {
      // Scopes may have registries of their own, and whatever has a colon comes from elsewhere.
      if (!name.startsWith('@') && !String(range).includes(':')) found.push(name)
    }
  } catch {
    return ['npm'] // not JSON: the client will complain
  }
  return [...found.slice(0, MAX_NAMES), 'npm']
}

async function tarballHost(gateway: string, name: string, signal: AbortSignal) {
  const text = (await registryDocument(gateway, name, signal)) ?? ''
  const tarball = /"tarball":\s*"([^"]+)"/.exec(text)?.[1]
  return tarball !== undefined && URL.canParse(tarball) ? new URL(tarball).host : undefined
}
