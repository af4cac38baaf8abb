/**
 * The real command line of `catalog`, parsed and checked, and not run: for command lines that stand in documents, examples
 * and service files.
 */
import { mkdtempSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import { createProgram } from '../../gateway/src/cli/shell/program.ts'
import { givenSettings } from '../../gateway/src/cli/shell/program-options.ts'
import type { Terminal } from '../../gateway/src/cli/shell/terminal.ts'
import { resolveConfig, type Config } from '../../gateway/src/config/resolve.ts'

export interface ParsedWords {
  /** `start`, `service install`. */
  readonly command: string
  /** As commander has them. */
  readonly options: Readonly<Record<string, unknown>>
  /** Behind the options. */
  readonly operands: readonly string[]
}

export interface ParsedCatalog extends ParsedWords {
  /** What the settings among the options come to. */
  readonly config: Config
}

/** `words`: without `catalog` itself. @throws when catalog would refuse them */
export async function parseCatalog(
  words: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<ParsedCatalog> {
  const command = await parsed(words)
  return { ...wordsOf(command), config: checked(command, env) }
}

/** The same, with no look at the settings' values. */
export async function parseWords(words: readonly string[]): Promise<ParsedWords> {
  return wordsOf(await parsed(words))
}

function wordsOf(command: Command): ParsedWords {
  return { command: namesOf(command).join(' '), options: command.opts(), operands: command.args }
}

async function parsed(words: readonly string[]): Promise<Command> {
  const said: string[] = []
  let isComplete = false
  const program = silentProgram(said, async () => void (isComplete = true))
  await program.parseAsync(['node', 'catalog', ...words]).catch((error: unknown) => {
    throw new Error(`catalog ${words.join(' ')}: ${said.join('\n')}`, { cause: error })
  })
  if (!isComplete) throw new Error(`catalog ${words.join(' ')}: runs no command`)
  return deepest(program, words)
}

/** The options of a command, by all their names. */
export function catalogOptions(name: string): { names: string[]; takesValue: boolean }[] {
  const command = silentProgram([], async () => undefined).commands.find(
    (each) => each.name() === name,
  )
  return (command?.options ?? []).map(({ short, long, required, optional }) => ({
    names: [short, long].flatMap((each) => each ?? []),
    takesValue: required || optional,
  }))
}

function silentProgram(said: string[], run: () => Promise<void>): Command {
  return createProgram({
    ...{ terminal: silentTerminal(said), version: '0.0.0', run },
    signal: new AbortController().signal,
    takeSignals: () => undefined,
    outliveReaders: () => undefined,
    exit: () => {
      throw new Error('it wants to end the process')
    },
  })
}

function deepest(program: Command, words: readonly string[]): Command {
  let found = program
  for (const word of words) {
    const next = found.commands.find((each) => each.name() === word)
    if (next === undefined) break
    found = next
  }
  return found
}

function namesOf(command: Command): string[] {
  return command.parent === null ? [] : [...namesOf(command.parent), command.name()]
}

function checked(command: Command, env: Readonly<Record<string, string>>): Config {
  const { seed, ...flags } = givenSettings(command)
  // `exec` has a time by this name; it is checked when it runs.
  const isTime = command.name() === 'exec' && seed !== false
  const folder = mkdtempSync(join(tmpdir(), 'catalog-parser-'))
  try {
    return resolveConfig({
      flags: isTime ? flags : { ...flags, ...(seed !== undefined && { seed }) },
      ...{ env, configFolder: folder, cwd: folder, home: folder, defaultStore: folder },
    })
  } finally {
    rmdirSync(folder)
  }
}

function silentTerminal(said: string[]): Terminal {
  const take = (text: string): void => void said.push(text)
  const plain = (_: unknown, text: string): string => text
  return {
    ...{ env: {}, cwd: tmpdir(), home: tmpdir(), platform: process.platform },
    ...{ isInteractive: false, canRewrite: false, columns: 80 },
    ...{ print: take, note: take, raw: take, paint: plain, paintNote: plain },
  }
}
