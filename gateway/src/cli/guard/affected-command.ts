/** `catalog affected NAME@VERSION|--all`: what the daemon's ledger says of this machine. Nothing is asked of anybody else. */
import { CatalogError } from '@catalog-p2p/core'
import type { AffectedVersion } from '../../admin/admin-guard.ts'
import { EXIT } from '../shell/exit-codes.ts'
import { plural } from '../shell/format.ts'
import { loadConfig, requireDaemon, type Invocation } from '../shell/invocation.ts'

export async function affectedCommand(
  invocation: Invocation,
  { subject, all }: { subject: string | undefined; all: boolean },
): Promise<number> {
  const { terminal, signal } = invocation
  if (all === (subject !== undefined)) {
    throw new CatalogError(
      'INVALID_OPTIONS',
      'give either a name, with or without @version, or --all',
    )
  }
  const config = loadConfig(invocation)
  const daemon = await requireDaemon(config)
  const question = subject === undefined ? {} : parseSubject(subject)
  const answer = await daemon.guard('affected', question, { signal })
  const { versions } = answer as { versions: readonly AffectedVersion[] }
  if (config.json) terminal.print(JSON.stringify({ versions }))
  else {
    for (const { name, version, client, firstMs, lastMs, digest, malware } of versions) {
      const who = client === '' ? 'a client without a name' : client
      const times = [firstMs, lastMs].map((ms) => new Date(ms).toISOString())
      const when = firstMs === lastMs ? `on ${times[0]}` : `from ${times.join(' to ')}`
      terminal.print(
        `${name}@${version} to ${who} ${when}${malware === null ? '' : ` (${malware})`}`,
      )
      terminal.print(`  ${digest}`)
    }
    terminal.print(`${plural(versions.length, 'entry', 'entries')} in this machine's ledger`)
  }
  return versions.length === 0 ? EXIT.ok : EXIT.incomplete
}

/** `@scope/name@1.0.0`, `name@1.0.0`, or a name alone. */
function parseSubject(text: string): { name: string; version?: string } {
  const at = text.lastIndexOf('@')
  return at <= 0 ? { name: text } : { name: text.slice(0, at), version: text.slice(at + 1) }
}
