/**
 * Vitest's global set-up: one folder in which Node keeps what it has compiled, for the whole run. Most
 * of the time of a command of a second is V8 reading the same sources as the command before it; homes
 * of their own keep clients from sharing their caches. It goes away with the run, so nothing piles up.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export default async function setUp(): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'catalog-compiled-'))
  process.env.NODE_COMPILE_CACHE = folder // isolatedEnvironment hands it on
  return () => rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
}
