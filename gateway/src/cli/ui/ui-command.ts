/**
 * `catalog ui`: where the dashboard is. The token stands behind the `#`, which browsers send to nobody; the page takes it out of
 * the address as soon as it has read it. Opens no browser: that is for whoever reads the line.
 */
import { EXIT } from '../shell/exit-codes.ts'
import { loadConfig, requireDaemon, type Invocation } from '../shell/invocation.ts'

export async function uiCommand(invocation: Invocation): Promise<number> {
  const { terminal } = invocation
  const config = loadConfig(invocation)
  const { url: base, info } = await requireDaemon(config)
  const url = dashboardUrl(base, info?.token)
  terminal.print(config.json ? JSON.stringify({ url }) : url)
  if (info !== undefined && !config.json) {
    terminal.note(
      terminal.paintNote('dim', 'for you alone: the token in it may do all that you may'),
    )
  }
  return EXIT.ok
}

/** Pure. @param token undefined: of a daemon whose store folder is not known here */
export function dashboardUrl(base: string, token: string | undefined): string {
  const { href } = new URL('-/catalog/ui', base)
  return token === undefined ? href : `${href}#token=${token}`
}
