/**
 * `catalog exec` on the command line: our options, then the command, which begins at the first word that is not an option of
 * ours. `--` may mark the beginning and must never be required: PowerShell removes the first `--` on the way to npm's .ps1
 * shims (npm/cli#3136), and is the default shell of GitHub's Windows runners.
 */
import type { Command } from 'commander'
import { act, type ProgramDependencies } from '../shell/act.ts'
import { addSettings } from '../shell/program-options.ts'
import { runPlainly, whyNotLoaded } from '../shell/fallback.ts'

const EXEC_HELP = `
Its package manager is asked for its registry and pointed at a gateway by environment variables; no file is
changed. Your own daemon is used if it runs, otherwise a gateway for as long as the command runs. Whatever
fails there, the command runs as it would without. CATALOG_EXEC_SEED is --seed, CATALOG_EXEC_FROZEN_TRUST=1
--frozen-trust. More: docs/ci.md`

interface ExecFlags {
  readonly seed?: string | false
  readonly quiet: boolean
  readonly reuse: boolean
  readonly report?: string
  readonly frozenTrust?: boolean
}

export function addExecCommand(program: Command, deps: ProgramDependencies): void {
  const exec = program
    .command('exec')
    .description('run a command whose packages come from peers; ends with its exit code')
    .usage('[options] [--] <command> [args...]')
    // Everything after the first word belongs to the command, including words that look like our options.
    .passThroughOptions()
    .argument('<command...>', 'npm ci, pnpm install, yarn, bun install, deno install, a script')
    .option('--seed <time>', 'stay for so long after the command, for peers (default 0)')
    .option('--no-seed', "don't serve public artifacts to peers at all")
    .option('--report <file>', 'write what came from where as JSON')
    .option('--no-reuse', 'start a gateway of its own even if a daemon runs')
    .option('--frozen-trust', 'believe nothing that the store holds, but packages by their hash')
    .option('-q, --quiet', 'print warnings only', false)
  addSettings(exec, ({ name }) => name !== 'seed')
  // Not commander's own --help: that would print help, and succeed, after an option that commander does not know.
  exec
    .helpOption(false)
    .option('-h, --help', 'print help')
    .on('option:help', () => exec.help())
  exec.addHelpText('after', EXEC_HELP)
  act(exec, deps, async (invocation, args) => {
    const [command, flags] = args as [string[], ExecFlags]
    const { seed, quiet, reuse, report, frozenTrust } = flags
    deps.takeSignals()
    deps.outliveReaders()
    const loaded = await import('./exec-command.ts').catch(whyNotLoaded)
    if (typeof loaded === 'string') return runPlainly(command, loaded)
    // The setting "seed" is a yes or no. Here --seed is a duration; only --no-seed is the setting.
    const settings = Object.fromEntries(
      Object.entries(invocation.flags).filter(([name]) => name !== 'seed'),
    )
    return loaded.execCommand(
      { ...invocation, flags: seed === false ? { ...settings, seed } : settings },
      {
        command,
        seed: seed || undefined,
        quiet,
        reuse,
        report,
        frozenTrust,
      },
      deps,
    )
  })
}
