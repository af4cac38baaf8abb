/** The command line of `catalog key`. */
import type { Command } from 'commander'
import { act, type ProgramDependencies } from '../shell/act.ts'
import { addCommonSettings } from '../shell/program-options.ts'

const DEFAULT_NAME = 'default'

export function addKeyCommands(program: Command, deps: ProgramDependencies): void {
  const key = program.command('key').description('look after the keys that you publish with')
  const add = (name: string, description: string): Command =>
    addCommonSettings(key.command(name).description(description))
  const named = (name: string, description: string): Command =>
    add(name, description).argument('[name]', 'what the key is called here', DEFAULT_NAME)
  const load = () => import('./key-command.ts')
  const sealing = 'seal the file with a passphrase (CATALOG_KEY_PASSPHRASE, or asked for)'

  act(
    named('new', 'make a key').option('--passphrase', sealing, false),
    deps,
    async (invocation, [name, options]) =>
      (await load()).keyNewCommand(invocation, {
        name: name as string,
        ...(options as { passphrase: boolean }),
      }),
  )
  act(add('list', 'the keys that are here, with their fingerprints'), deps, async (invocation) =>
    (await load()).keyListCommand(invocation),
  )
  act(named('show', 'one key: the fingerprint that others trust'), deps, async (invocation, args) =>
    (await load()).keyShowCommand(invocation, { name: args[0] as string }),
  )
  act(
    named('export', 'print the public half of a key, or all of it').option(
      '--secret',
      'all of it, for another machine of yours: keep it to yourself',
      false,
    ),
    deps,
    async (invocation, [name, options]) =>
      (await load()).keyExportCommand(invocation, {
        name: name as string,
        ...(options as { secret: boolean }),
      }),
  )
  act(
    add('import', 'take over a key that "export --secret" has printed')
      .argument('<file>', 'the key file')
      .argument('[name]', 'what the key is called here', DEFAULT_NAME)
      .option('--passphrase', sealing, false),
    deps,
    async (invocation, [file, name, options]) =>
      (await load()).keyImportCommand(invocation, {
        file: file as string,
        name: name as string,
        ...(options as { passphrase: boolean }),
      }),
  )
  act(
    named('rotate', 'put a new key in the place of one, which is kept'),
    deps,
    async (invocation, args) =>
      (await load()).keyRotateCommand(invocation, { name: args[0] as string }),
  )
}
