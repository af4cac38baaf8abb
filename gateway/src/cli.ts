#!/usr/bin/env node
/**
 * The `catalog` command: hands over to the command line, ends the process with its code. It must load on any Node, so that
 * one that is too old is told so: all else is imported when the version is known.
 */
import { isTooOld, mainOnOldNode } from './cli/old-node.ts'

const LINGER_MS = 2_000

process.exitCode = isTooOld(process.versions.node)
  ? await mainOnOldNode(process.argv)
  : await (await import('./cli/main.ts')).main(process.argv)
// All is done and closed; timers that libraries still hold must not keep the command from ending, nor readers of its output.
setTimeout(() => process.exit(), LINGER_MS).unref()
await Promise.all([process.stdout, process.stderr].map(flushed))
process.exit()

/** Where pipes are written to in the background (Windows), what is still on its way. */
function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => stream.write('', () => resolve()))
}
