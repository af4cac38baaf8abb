/** `catalog search` on the command line. */
import { InvalidArgumentError, type Command } from 'commander'
import { act, type ProgramDependencies } from '../shell/act.ts'
import { addCommonSettings } from '../shell/program-options.ts'

const MAX_LIMIT = 50

export function addSearchCommand(program: Command, deps: ProgramDependencies): void {
  const search = program
    .command('search')
    .description('find packages: at the registry, here and at peers')
    .argument('<text...>', 'words that the package has in its name, description or keywords')
    .option('--limit <number>', `how many, at most ${MAX_LIMIT}`, parseLimit, 20)
  act(addCommonSettings(search), deps, async (invocation, args) => {
    const { searchCommand } = await import('./search-command.ts')
    const [words, { limit }] = args as [string[], { limit: number }]
    return searchCommand(invocation, { text: words.join(' '), limit })
  })
}

function parseLimit(value: string): number {
  const limit = Number(value)
  if (/^\d+$/.test(value) && limit >= 1 && limit <= MAX_LIMIT) return limit
  throw new InvalidArgumentError(`a number from 1 to ${MAX_LIMIT}`)
}
