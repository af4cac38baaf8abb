/** The command line of `catalog ca`: an organisation's root and what it vouches for. */
import type { Command } from 'commander'
import { act, type ProgramDependencies } from '../shell/act.ts'
import { addSettings } from '../shell/program-options.ts'
import type { IssueOptions, RenewOptions, RevokeOptions } from './ca-command.ts'

const SETTINGS = new Set(['trust-file', 'json'])
const DEFAULT_ROOT = 'ca'
const DEFAULT_LIFE = '90d'

export function addCaCommands(program: Command, deps: ProgramDependencies): void {
  const ca = program
    .command('ca')
    .description("an organisation's root: certifies publishers and machines, and takes it back")
  const add = (name: string, description: string): Command =>
    addSettings(ca.command(name).description(description), (each) => SETTINGS.has(each.name))
  const signing = (name: string, description: string): Command =>
    add(name, description).option('--root <name>', 'what the root key is called here', DEFAULT_ROOT)
  const load = () => import('./ca-command.ts')

  const init = add('init', 'make a root key')
    .argument('[name]', 'what the root key is called here', DEFAULT_ROOT)
    .option(
      '--passphrase',
      'seal the file with a passphrase (CATALOG_KEY_PASSPHRASE, or asked for)',
      false,
    )
  act(init, deps, async (invocation, [name, options]) =>
    (await load()).caInitCommand(invocation, {
      name: name as string,
      ...(options as { passphrase: boolean }),
    }),
  )
  const issue = signing('issue', 'certify a publisher for scopes, or a machine for swarms')
    .argument('<subject>', "a publisher's fingerprint (catalog key show), or a machine's peer id")
    .requiredOption('--for <name...>', 'a publisher: @scopes and packages; a machine: swarms')
    .option('--life <time>', 'for how long', DEFAULT_LIFE)
    .option('--note <text>', 'for people: whose it is', '')
    .option('--out <file>', 'where to write the certificate; a machine needs it as a file')
  act(issue, deps, async (invocation, [subject, options]) =>
    (await load()).caIssueCommand(invocation, subject as string, options as IssueOptions),
  )
  const renew = signing('renew', 'the same certificate once more, from now on')
    .argument('<subject|file>', 'of a publisher that is certified, or the file of a certificate')
    .option('--life <time>', 'for how long', DEFAULT_LIFE)
    .option('--out <file>', 'where to write it; a file that was given is replaced')
  act(renew, deps, async (invocation, [from, options]) =>
    (await load()).caRenewCommand(invocation, from as string, options as RenewOptions),
  )
  const revoke = signing('revoke', 'take back every certificate of a publisher or a machine')
    .argument('<subject...>', 'fingerprints of publishers, peer ids of machines')
    .option('--out <file>', 'where to write the revocation list, for machines without peers')
  act(revoke, deps, async (invocation, [subjects, options]) =>
    (await load()).caRevokeCommand(invocation, subjects as string[], options as RevokeOptions),
  )
  const take = add('import', 'take over certificates and revocation lists from files').argument(
    '<file...>',
    'what "issue --out" and "revoke --out" have written',
  )
  act(take, deps, async (invocation, [files]) =>
    (await import('./ca-import-command.ts')).caImportCommand(invocation, files as string[]),
  )
  act(add('list', 'what is known of organisations here'), deps, async (invocation) =>
    (await import('./ca-import-command.ts')).caListCommand(invocation),
  )
}
