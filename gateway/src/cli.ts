#!/usr/bin/env node
/**
 * The `catalog` command: hands over to the command line, ends the process with its code. It must load on any Node and in a damaged
 * installation, so all else is imported later.
 */
import { runFallback, whyNodeIsTooOld, whyNotLoaded } from './cli/shell/fallback.ts'

const LINGER_MS = 2_000

process.exitCode = await run(process.argv)
// All is done and closed; timers that libraries still hold must not keep the command from ending, nor readers of its output.
setTimeout(() => process.exit(), LINGER_MS).unref()
await Promise.all([process.stdout, process.stderr].map(flushed))
process.exit()

async function run(argv: readonly string[]): Promise<number> {
  const tooOld = whyNodeIsTooOld(process.versions.node)
  if (tooOld !== undefined) return runFallback(argv, tooOld)
  const loaded = await import('./cli/shell/main.ts').catch(whyNotLoaded)
  return typeof loaded === 'string' ? runFallback(argv, loaded) : loaded.main(argv)
}

/** Where pipes are written to in the background (Windows), what is still on its way. */
function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => stream.write('', () => resolve()))
}
