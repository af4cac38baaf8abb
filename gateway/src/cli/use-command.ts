/** `catalog use` and `catalog unuse`. */
import { CatalogError } from '@catalog-p2p/core'
import { findDaemon } from '../admin/daemon-client.ts'
import {
  clientFiles,
  overridingVariables,
  pnpmfileVariables,
  type ClientName,
} from './clients/client-files.ts'
import { pnpmfileFiles, refuseBothWays } from './clients/use-pnpmfile.ts'
import {
  unuseClients,
  useClient,
  useFiles,
  type FileReport,
  type UseDependencies,
} from './clients/use.ts'
import type { UseState } from './clients/use-state.ts'
import { loadConfig, portOf, useDependencies, type Invocation } from './command.ts'
import { EXIT } from './exit-codes.ts'
import type { Terminal } from './terminal.ts'

/** `pnpmfile`: not the registry is set but pnpm's global pnpmfile; true: the one that comes with this program. */
export async function useCommand(
  invocation: Invocation,
  client: ClientName,
  { pnpmfile }: { pnpmfile?: string | true } = {},
): Promise<number> {
  const { terminal } = invocation
  if (pnpmfile !== undefined && client !== 'pnpm') {
    throw new CatalogError('INVALID_OPTIONS', `--pnpmfile is for pnpm, not for ${client}`)
  }
  const config = loadConfig(invocation)
  const port = portOf(config)
  const daemon = await findDaemon(config.storePath, port)
  const url = daemon?.url ?? `http://127.0.0.1:${port}/`
  if (daemon === undefined && port === 0) {
    throw new CatalogError('INVALID_OPTIONS', 'port 0 changes with every start', {
      hint: 'choose a fixed port: clients write it into lockfiles and caches',
    })
  }
  const deps = useDependencies(terminal)
  const files =
    pnpmfile === undefined
      ? await useRegistry(deps, client, url)
      : await usePnpmfile(deps, { url, source: pnpmfile === true ? undefined : pnpmfile })
  const isFile = pnpmfile !== undefined
  const overrides = isFile
    ? pnpmfileVariables(terminal.env)
    : overridingVariables(client, terminal.env)
  if (config.json) {
    const names = overrides.map(({ name }) => name)
    terminal.print(
      JSON.stringify({ client, url, running: daemon !== undefined, files, overriddenBy: names }),
    )
    return EXIT.ok
  }
  printFiles(terminal, files)
  const what = isFile ? 'tarballs through' : 'packages from'
  terminal.print(`${client} now gets its ${what} ${url}`)
  terminal.print(terminal.paint('dim', `undo it with "catalog unuse ${client}"`))
  for (const { name } of overrides) {
    warn(terminal, `the variable ${name} is set and wins over the file: unset it`)
  }
  if (daemon === undefined) {
    const until = isFile ? 'fetches all by itself' : "can't install anything"
    warn(terminal, `no daemon is running: until "catalog start", ${client} ${until}`)
  }
  return EXIT.ok
}

function useRegistry(
  deps: UseDependencies,
  client: ClientName,
  url: string,
): Promise<FileReport[]> {
  if (client !== 'pnpm') return useClient(deps, client, url)
  const files = clientFiles(client, deps.place)
  const check = (state: UseState): void => refuseBothWays(deps, state, false)
  return useFiles(deps, client, { url, files, check })
}

async function usePnpmfile(
  deps: UseDependencies,
  { url, source }: { url: string; source: string | undefined },
): Promise<FileReport[]> {
  const files = await pnpmfileFiles(deps, { url, source })
  const check = (state: UseState): void => refuseBothWays(deps, state, true)
  const reports = await useFiles(deps, 'pnpm', { url, files, check })
  return reports.map((report) => ({ ...report, registry: undefined }))
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
