/**
 * `catalog publish [TARBALL|FOLDER]`: has the daemon publish a version to the network, as `npm publish` does through it. Asks no
 * registry, and the daemon refuses what is not a package of the network.
 */
import { resolve } from 'node:path'
import { EXIT } from '../shell/exit-codes.ts'
import { loadConfig, requireDaemon, type Invocation } from '../shell/invocation.ts'
import { documentOf } from './document.ts'
import { readPackage } from './read-package.ts'

export async function publishCommand(
  invocation: Invocation,
  { path, tag }: { readonly path: string; readonly tag: string | undefined },
): Promise<number> {
  const { terminal, signal } = invocation
  const config = loadConfig(invocation)
  const daemon = await requireDaemon(config)
  const tarball = await readPackage(resolve(terminal.cwd, path), { env: terminal.env, signal })
  const document = await documentOf(tarball, tag)
  const published = await daemon.publish(document, { signal })
  if (config.json) {
    terminal.print(JSON.stringify(published))
  } else {
    terminal.print(published.assetId)
    terminal.note(published.notice)
  }
  return EXIT.ok
}
