/**
 * The real command line of `catalog`, parsed and checked, and not run: for command lines that stand in documents, examples
 * and service files.
 */
import { mkdtempSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import { createProgram } from '../../gateway/src/cli/program.ts'
import { givenSettings } from '../../gateway/src/cli/program-options.ts'
import type { Terminal } from '../../gateway/src/cli/terminal.ts'
import { resolveConfig, type Config } from '../../gateway/src/config/resolve.ts'

export interface ParsedCatalog {
  /** `start`, `service install`. */
  readonly command: string
  /** As commander has them. */
  readonly options: Readonly<Record<string, unknown>>
  /** Behind the options. */
  readonly operands: readonly string[]
  /** What the settings among the options come to. */
  readonly config: Config
}

/** `words`: without `catalog` itself. @throws when catalog would refuse them */
export async function parseCatalog(
  words: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<ParsedCatalog> {
  const said: string[] = []
  const argv = ['node', 'catalog', ...words]
  let isComplete = false
  const program = createProgram({
    ...{ terminal: silentTerminal(said), version: '0.0.0', argv },
    signal: new AbortController().signal,
    takeSignals: () => undefined,
    exit: () => {
      throw new Error('it wants to end the process')
    },
    run: async () => void (isComplete = true),
  })
  await program.parseAsync(argv).catch((error: unknown) => {
    throw new Error(`catalog ${words.join(' ')}: ${said.join('\n')}`, { cause: error })
  })
  if (!isComplete) throw new Error(`catalog ${words.join(' ')}: runs no command`)
  const command = deepest(program, words)
  if (command.name() === 'exec' && !words.includes('--')) throw new Error('exec without --')
  return {
    command: namesOf(command).join(' '),
    options: command.opts(),
    operands: command.args,
    config: checked(command, env),
  }
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
