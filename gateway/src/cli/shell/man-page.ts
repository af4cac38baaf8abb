/**
 * The manual page, catalog(1), from the very definitions that parse command lines, so that there is nothing to keep in step.
 * Pure. man(7) says what the macros mean.
 */
import type { Argument, Command, Option } from 'commander'

/** @param date of what it describes, as YYYY-MM-DD */
export function manPage(program: Command, date: string): string {
  const name = program.name()
  const commands = leavesOf(program)
  const lines = [
    `.TH ${name.toUpperCase()} 1 "${date}" "${name} ${escape(program.version() ?? '')}" "User Commands"`,
    '.SH NAME',
    `${escape(name)} \\- ${escape(program.description().replace(/\.$/, ''))}`,
    '.SH SYNOPSIS',
    `.B ${escape(name)}`,
    '.I command',
    '[options]',
    '.PP',
    `.B ${escape(name)} help`,
    '.I command',
    '.SH COMMANDS',
    ...commands.flatMap(commandLines),
  ]
  return `${lines.join('\n')}\n`
}

/** What can be run: commands, and those below them. */
function leavesOf(command: Command): readonly Command[] {
  return command
    .createHelp()
    .visibleCommands(command)
    .filter((each) => each.name() !== 'help')
    .flatMap((each) => (each.commands.length === 0 ? [each] : leavesOf(each)))
}

function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`
}

function commandLines(command: Command): readonly string[] {
  const args = command.registeredArguments
  const options = command.options.filter(({ hidden }) => !hidden)
  return [
    `.SS "${escape([pathOf(command), ...args.map(nameOf)].join(' '))}"`,
    sentence(command.description()),
    ...args
      .filter(({ description }) => description !== '')
      .flatMap((each) => entry('I', each.name(), each)),
    ...options.flatMap((each) => entry('B', each.flags, each)),
  ]
}

function entry(font: 'B' | 'I', name: string, described: Argument | Option): readonly string[] {
  const { argChoices: choices } = described
  const more = choices === undefined ? '' : ` (${choices.join(', ')})`
  return ['.TP', `.${font} "${escape(name)}"`, sentence(`${described.description}${more}`)]
}

function nameOf(argument: Argument): string {
  const name = `${argument.name()}${argument.variadic ? '...' : ''}`
  return argument.required ? `<${name}>` : `[${name}]`
}

function sentence(text: string): string {
  return escape(text.charAt(0).toUpperCase() + text.slice(1).replace(/\.?$/, '.'))
}

/** No line of text is taken for a request, and what is to be copied keeps its hyphens and quotes. */
function escape(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll('"', '\\(dq')
    .replaceAll("'", '\\(aq')
    .replaceAll('`', '\\(ga')
    .replaceAll('^', '\\(ha')
    .replaceAll('~', '\\(ti')
    .replace(/\s*\n\s*/g, ' ')
    .replace(/^\./, '\\&.')
    .replace(
      /[^\0-\x7f]/g,
      (each) => `\\[u${(each.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}]`,
    )
}
