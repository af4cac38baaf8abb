/**
 * `catalog share [TARBALL|FOLDER]`: has the daemon give a package to everybody who is connected, by its hash, and prints the line that
 * installs it there. Nobody's account, key or registry is in it. `--list` and `--remove` show and end that.
 */
import { resolve } from 'node:path'
import type { AddedShare, ListedShare } from '../../sharing/share-actions.ts'
import { readPackage } from '../publish/read-package.ts'
import { EXIT } from '../shell/exit-codes.ts'
import { formatTable, plural } from '../shell/format.ts'
import { loadConfig, requireDaemon, type Invocation } from '../shell/invocation.ts'

export async function shareCommand(
  invocation: Invocation,
  { path, evenIfPrivate }: { readonly path: string; readonly evenIfPrivate: boolean },
): Promise<number> {
  const { terminal, signal } = invocation
  const config = loadConfig(invocation)
  const daemon = await requireDaemon(config)
  const bytes = await readPackage(resolve(terminal.cwd, path), { env: terminal.env, signal })
  const body = { tarball: bytes.toString('base64'), evenIfPrivate }
  const added = (await daemon.share('add', body, { signal })) as AddedShare
  const address = addressOf(daemon.url, added)
  // npm 12 takes no address otherwise; older ones do not mind.
  const install = `npm install --allow-remote=root ${address}`
  if (config.json) {
    terminal.print(JSON.stringify({ ...added, address, install }))
    return EXIT.ok
  }
  terminal.print(install)
  terminal.note(
    `${added.name}@${added.version} is now public: every machine that is connected can have it`,
  )
  terminal.note('pnpm add, yarn add and bun add take the same address; so does package.json')
  if (added.peers === 0) terminal.note('no machine is connected just now ("catalog peers")')
  return EXIT.ok
}

export async function sharedCommand(invocation: Invocation): Promise<number> {
  const { terminal, signal } = invocation
  const config = loadConfig(invocation)
  const daemon = await requireDaemon(config)
  const { shares } = (await daemon.share('list', {}, { signal })) as { shares: ListedShare[] }
  const addressed = shares.map((share) => ({ ...share, address: addressOf(daemon.url, share) }))
  if (config.json) terminal.print(JSON.stringify({ shares: addressed }))
  else if (shares.length === 0) terminal.print('nothing is shared')
  else {
    const rows = addressed.map(({ sharedAtMs, isGiven, address }) => [
      new Date(sharedAtMs).toISOString().slice(0, 10),
      isGiven ? 'shared' : 'NO MORE',
      address,
    ])
    const columns = [{ title: 'SINCE' }, { title: 'STATE' }, { title: 'ADDRESS' }]
    for (const line of formatTable(columns, rows)) terminal.print(line)
  }
  return EXIT.ok
}

export async function unshareCommand(invocation: Invocation, what: string): Promise<number> {
  const { terminal, signal } = invocation
  const config = loadConfig(invocation)
  const daemon = await requireDaemon(config)
  const { removed } = (await daemon.share('remove', { what }, { signal })) as {
    removed: ListedShare[]
  }
  if (config.json) terminal.print(JSON.stringify({ removed }))
  else {
    terminal.print(`${plural(removed.length, 'package')} shared no more by this machine`)
    terminal.note('machines that have installed it may still have it, and give it to others')
  }
  return EXIT.ok
}

/** As every client takes it: Yarn wants the name in front. */
function addressOf(daemonUrl: string, { name, path }: ListedShare): string {
  return `${name}@${new URL(path, daemonUrl).href}`
}
