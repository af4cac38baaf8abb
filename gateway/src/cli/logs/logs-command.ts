/**
 * `catalog logs`: the lines of the service, by the program of the system that keeps them. The daemon itself writes no log file, so
 * without a service they are wherever `catalog start` runs.
 */
import { CatalogError } from '@catalog-p2p/core'
import { runCommand } from '../exec/run-command.ts'
import { relaySignals } from '../exec/signal-relay.ts'
import { installedService, type ServiceDependencies } from '../service/service-command.ts'
import { EXIT } from '../shell/exit-codes.ts'
import { wantsJson, type Invocation } from '../shell/invocation.ts'

const MAX_LINES = 1_000_000

/** @throws CatalogError INVALID_OPTIONS, and DAEMON_NOT_RUNNING when no service is installed */
export async function logsCommand(
  invocation: Invocation,
  { follow, lines }: { readonly follow: boolean; readonly lines: string },
  deps: ServiceDependencies,
): Promise<number> {
  const { terminal } = invocation
  const count = Number(lines)
  if (!/^\d+$/.test(lines) || count > MAX_LINES) {
    throw new CatalogError('INVALID_OPTIONS', `--lines: expected 0 to ${MAX_LINES}`)
  }
  const service = await installedService(terminal, deps)
  if (service === undefined) {
    const where = 'no service is installed: the log is on the terminal where "catalog start" runs'
    throw new CatalogError('DAEMON_NOT_RUNNING', where, {
      hint: '"catalog start --json > FILE" keeps it; "catalog service install" has the system keep it',
    })
  }
  const command = service.log({ lines: count, follow })
  if (wantsJson(invocation)) {
    terminal.print(JSON.stringify({ service: service.name, command }))
    return EXIT.ok
  }
  const relay = relaySignals(process.stdin.isTTY)
  try {
    const env = terminal.env as Record<string, string>
    const { code, problem } = await runCommand(command, { cwd: terminal.cwd, env, relay })
    if (problem !== undefined) terminal.note(`catalog: ${problem}`)
    return code
  } finally {
    relay.dispose()
  }
}
