#!/usr/bin/env node
/**
 * The `catalog` command: hands over to the command line and ends the process with its exit code. It must load on any Node and
 * in a damaged installation, so everything else is imported later.
 */
import { runFallback, whyNodeIsTooOld, whyNotLoaded } from './cli/shell/fallback.ts'

const LINGER_MS = 2_000

process.exitCode = await run(process.argv)
// Everything is closed: neither a library's timer nor a slow reader of the output may keep the process alive.
setTimeout(() => process.exit(), LINGER_MS).unref()
await Promise.all([process.stdout, process.stderr].map(flushed))
process.exit()

async function run(argv: readonly string[]): Promise<number> {
  const tooOld = whyNodeIsTooOld(process.versions.node)
  if (tooOld !== undefined) return runFallback(argv, tooOld)
  await import('./cli/shell/compile-cache.ts')
    .then(({ keepCompiled }) => keepCompiled())
    .catch(() => undefined) // slower then
  if (argv[2] === 'exec') {
    await import('./cli/exec/ask-ahead.ts').then(({ askFor }) => askFor(argv), whyNotLoaded)
  }
  const loaded = await import('./cli/shell/main.ts').catch(whyNotLoaded)
  return typeof loaded === 'string' ? runFallback(argv, loaded) : loaded.main(argv)
}

/** Resolves when the output is written: on Windows, writes to pipes are asynchronous. */
function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => stream.write('', () => resolve()))
}
