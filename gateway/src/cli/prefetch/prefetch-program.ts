/** `catalog prefetch` on the command line. */
import type { Command } from 'commander'
import { act, type ProgramDependencies } from '../shell/act.ts'
import { addCommonSettings } from '../shell/program-options.ts'

interface PlatformOptions {
  readonly all: boolean
  readonly os?: string
  readonly cpu?: string
  readonly libc?: string
}

export function addPrefetchCommand(program: Command, deps: ProgramDependencies): void {
  const prefetch = program
    .command('prefetch')
    .description('fetch what lockfiles name, ahead of an install')
    .argument(
      '<lockfile...>',
      'package-lock.json, npm-shrinkwrap.json, pnpm-lock.yaml, yarn.lock, bun.lock, deno.lock, or a folder with one',
    )
    .option('--all', 'packages of every platform', false)
    .option('--os <name>', 'of another system than this one: linux, darwin, win32')
    .option('--cpu <name>', 'of another processor: x64, arm64')
    .option('--libc <name>', 'of another C library: glibc, musl')
  act(addCommonSettings(prefetch), deps, async (invocation, args) => {
    const { prefetchCommand } = await import('./prefetch-command.ts')
    const [lockfiles, { all, os, cpu, libc }] = args as [string[], PlatformOptions]
    return prefetchCommand(invocation, { lockfiles, all, os, cpu, libc })
  })
}
