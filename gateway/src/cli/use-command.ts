/** `catalog use` and `catalog unuse`. */
import { CatalogError } from '@catalog-p2p/core'
import { findDaemon } from '../daemon-client.ts'
import { overridingVariables, type ClientName } from './clients/client-files.ts'
import { unuseClients, useClient, type FileReport } from './clients/use.ts'
import { loadConfig, portOf, useDependencies, type Invocation } from './command.ts'
import { EXIT } from './exit-codes.ts'
import type { Terminal } from './terminal.ts'

export async function useCommand(invocation: Invocation, client: ClientName): Promise<number> {
  const { terminal } = invocation
  const config = loadConfig(invocation)
  const port = portOf(config)
  const daemon = await findDaemon(config.storePath, port)
  const url = daemon?.url ?? `http://127.0.0.1:${port}/`
  if (daemon === undefined && port === 0) {
    throw new CatalogError('INVALID_OPTIONS', 'port 0 changes with every start', {
      hint: 'choose a fixed port: clients write it into lockfiles and caches',
    })
  }
  const files = await useClient(useDependencies(terminal), client, url)
  const overrides = overridingVariables(client, terminal.env)
  if (config.json) {
    const names = overrides.map(({ name }) => name)
    terminal.print(
      JSON.stringify({ client, url, running: daemon !== undefined, files, overriddenBy: names }),
    )
    return EXIT.ok
  }
  printFiles(terminal, files)
  terminal.print(`${client} now gets its packages from ${url}`)
  terminal.print(terminal.paint('dim', `undo it with "catalog unuse ${client}"`))
  for (const { name } of overrides) {
    warn(terminal, `the variable ${name} is set and wins over the file: unset it`)
  }
  if (daemon === undefined) {
    warn(terminal, `no daemon is running: until "catalog start", ${client} can't install anything`)
  }
  return EXIT.ok
}

export async function unuseCommand(
  invocation: Invocation,
  clients: readonly ClientName[] | undefined,
): Promise<number> {
  const { terminal } = invocation
  const config = loadConfig(invocation)
  const files = await unuseClients(useDependencies(terminal), clients)
  if (config.json) {
    terminal.print(JSON.stringify({ files }))
    return EXIT.ok
  }
  if (files.length === 0) terminal.print('nothing to undo')
  printFiles(terminal, files)
  return EXIT.ok
}

const WORDS: Readonly<Record<FileReport['action'], string>> = {
  written: 'written',
  unchanged: 'unchanged',
  restored: 'restored',
  removed: 'removed',
  cleaned: 'cleaned',
  kept: 'kept',
}

function printFiles(terminal: Terminal, files: readonly FileReport[]): void {
  for (const { path, action, reads, note } of files) {
    const who = reads === undefined ? '' : ` (${reads})`
    terminal.print(`${terminal.paint('green', WORDS[action].padEnd(9))} ${path}${who}`)
    if (note !== undefined) terminal.print(`          ${note}`)
  }
}

function warn(terminal: Terminal, text: string): void {
  terminal.note(`${terminal.paintNote('yellow', 'catalog: warning:')} ${text}`)
}
