/**
 * Completion in shells: the scripts and the choice among proposals are @bomb.sh/tab's, which writes to standard output itself. What
 * there is to propose is read off commander. Asks no daemon and reads no file: it runs at each press of Tab.
 */
import { RootCommand, script, type Command as Place } from '@bomb.sh/tab'
import type { Argument, Command, Option } from 'commander'
import { CLIENTS } from '../../clients/client.ts'
import { flagOf } from '../../config/setting.ts'
import { SETTINGS } from '../../config/settings.ts'
import { EXIT } from '../shell/exit-codes.ts'
import type { Terminal } from '../shell/terminal.ts'

const NAME = 'catalog'
/** Arguments, and values of options, that are files: the shell completes those itself. */
const FILES = /\b(?:file|lockfile|folder|path|package|command)\b/
/** To the script: nothing from us, so files. */
const LET_THE_SHELL = ':0'

export function completionCommand(terminal: Terminal, shell: string): number {
  script(shell, NAME, NAME)
  // The script lets bash propose files only if it is registered so.
  if (shell === 'bash') terminal.print(`complete -o default -F __${NAME}_complete ${NAME}`)
  return EXIT.ok
}

export function completeCommand(
  terminal: Terminal,
  program: Command,
  words: readonly string[],
): number {
  if (wantsFile(program, words)) terminal.print(LET_THE_SHELL)
  else proposals(program).parse([...words])
  return EXIT.ok
}

function wantsFile(program: Command, words: readonly string[]): boolean {
  const [before, word = ''] = [words.at(-2), words.at(-1)]
  let command = program
  for (const each of words.slice(0, -1)) {
    command = command.commands.find((inner) => inner.name() === each) ?? command
  }
  const option = command.options.find(({ short, long }) => before === short || before === long)
  if (option !== undefined && takesValue(option)) return FILES.test(option.flags)
  if (word.startsWith('-')) return false
  return command.registeredArguments.some((argument) => FILES.test(argument.name()))
}

function proposals(program: Command): RootCommand {
  const root = new RootCommand()
  describe(root, program)
  addCommands(root, program, '')
  return root
}

function addCommands(root: RootCommand, parent: Command, before: string): void {
  for (const command of parent.createHelp().visibleCommands(parent)) {
    const path = `${before}${command.name()}`
    describe(root.command(path, command.description()), command)
    addCommands(root, command, `${path} `)
  }
}

function describe(place: Place, command: Command): void {
  for (const option of command.createHelp().visibleOptions(command)) {
    const name = option.long?.replace(/^--/, '')
    if (name === undefined) continue
    const short = option.short?.replace(/^-/, '')
    if (takesValue(option)) {
      const values = choicesOf(option)
      place.option(
        name,
        option.description,
        (add) => values.forEach((each) => add(each, '')),
        short,
      )
    } else place.option(name, option.description, short)
  }
  for (const argument of command.registeredArguments) {
    const values = wordsFor(argument)
    const name = argument.name()
    place.argument(name, (add) => values.forEach((each) => add(each, '')), argument.variadic)
  }
}

function takesValue({ required, optional }: Option): boolean {
  return required || optional
}

function choicesOf(option: Option): readonly string[] {
  return SETTINGS.find((setting) => flagOf(setting) === option.long)?.choices ?? []
}

function wordsFor(argument: Argument): readonly string[] {
  return argument.name() === 'client' ? CLIENTS : (argument.argChoices ?? [])
}
