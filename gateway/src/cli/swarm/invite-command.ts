/** `catalog swarm invite|join`: the inviting machine's daemon hands over the swarm to whoever brings the line. */
import { text } from 'node:stream/consumers'
import {
  CatalogError,
  createInviteSecret,
  inviteToText,
  joinSwarm,
  parseInvite,
  parseSwarmFile,
  type SwarmFile,
} from '@catalog-p2p/core'
import { renderUnicodeCompact } from 'uqr'
import { durationOf } from '../../config/values.ts'
import { inviteFolder, openInviteBook } from '../../swarm/invite-book.ts'
import { readSwarmFile, writeSwarmFile } from '../../swarm/swarm-text.ts'
import { sharedScopes } from '../start/configured-swarm.ts'
import { createDaemonLog } from '../start/daemon-log.ts'
import { loadConfig, requireDaemon, type Invocation } from '../shell/invocation.ts'
import { EXIT } from '../shell/exit-codes.ts'
import { requireSwarmFile, swarmFileOf } from './place.ts'
import type { InviteOptions } from './swarm-command.ts'

const MAX_ADDRESSES = 4
const JOIN_TIMEOUT_MS = 30_000

export async function swarmInviteCommand(
  invocation: Invocation,
  options: InviteOptions,
): Promise<number> {
  const { terminal, signal } = invocation
  const config = loadConfig(invocation)
  const { path } = requireSwarmFile(config)
  // It answers the one who comes, so it has to be there, and its addresses are what the line says.
  const daemon = await requireDaemon(config)
  const { node } = await daemon.status({ signal })
  const addresses = addressesFor(node.addresses)
  if (addresses.length === 0) {
    throw new CatalogError('DAEMON_FAILED', 'the daemon listens at no address', {
      hint: '"catalog doctor" says why',
    })
  }
  const untilMs = Date.now() + durationOf(options.for, '--for')
  const secret = createInviteSecret()
  const unused = { gift: () => new Uint8Array(), onUsed: () => undefined }
  const book = openInviteBook(inviteFolder(path), unused)
  await book.add({ secret, untilMs, once: !options.many })
  const line = inviteToText({ secret, peer: node.id, addresses, untilMs })
  const until = new Date(untilMs).toISOString()
  if (config.json) {
    terminal.print(JSON.stringify({ invite: line, until, once: !options.many }))
    return EXIT.ok
  }
  terminal.print(line)
  if (terminal.isInteractive) terminal.note(renderUnicodeCompact(line, { ecc: 'L' }))
  const count = options.many ? 'as often as it is used' : 'for one machine'
  terminal.note(
    `counts ${count} until ${until}, while this machine's daemon runs. On the other machine:`,
  )
  terminal.note('  catalog swarm join    and paste the line: who sees it can use it')
  return EXIT.ok
}

export async function swarmJoinCommand(
  invocation: Invocation,
  given: string | undefined,
): Promise<number> {
  const { terminal } = invocation
  const config = loadConfig(invocation)
  const path = swarmFileOf(config)
  const line = given === undefined || given === '-' ? await readLine(invocation) : given
  const invite = parseInvite(line)
  if (Date.now() >= invite.untilMs) {
    throw new CatalogError(
      'INVALID_OPTIONS',
      `the invite ended at ${new Date(invite.untilMs).toISOString()}`,
      { hint: 'ask for another one; is the clock of this machine right?' },
    )
  }
  const level = config.logLevel ?? 'error'
  const log = createDaemonLog(terminal, { level, beforeLine: () => undefined })
  const signal = AbortSignal.any([invocation.signal, AbortSignal.timeout(JOIN_TIMEOUT_MS)])
  const gift = await joinSwarm(invite, { log, signal })
  const joined = parseSwarmFile(Buffer.from(gift).toString('utf8'), 'what the inviter has given')
  const at = invite.addresses.map((address) => `${address}/p2p/${invite.peer}`)
  const file = merged(
    readSwarmFile(path),
    { ...joined, bootstrap: [...joined.bootstrap, ...at] },
    path,
  )
  await writeSwarmFile(path, file)
  if (config.json) terminal.print(JSON.stringify({ name: file.name, file: path }))
  else {
    terminal.print(`joined private swarm "${file.name}": ${path}`)
    const { shared } = sharedScopes(config, file.shareScopes)
    if (shared.length > 0) terminal.print(`its members get from this machine: ${shared.join(', ')}`)
    terminal.print('start the daemon (catalog start), or restart it, and "catalog swarm members"')
  }
  return EXIT.ok
}

/** A member that joins again gets what is new; a member of another swarm is not moved by a line. */
function merged(before: SwarmFile | undefined, joined: SwarmFile, path: string): SwarmFile {
  const bootstrap = [...new Set(joined.bootstrap)].slice(0, 16)
  if (before === undefined) return { ...joined, bootstrap }
  const isKnown = ({ key }: SwarmFile['keys'][number]): boolean =>
    joined.keys.some((other) => Buffer.from(other.key).equals(key))
  if (!before.keys.some(isKnown)) {
    throw new CatalogError('INVALID_OPTIONS', `this machine is in another private swarm: ${path}`, {
      hint: 'leave it first (catalog swarm leave); the invite is used up if it was for one machine',
    })
  }
  return { ...joined, bootstrap, certificate: before.certificate }
}

/** Those that others can dial, without the peer id: of the local network and the internet before this machine's own. */
function addressesFor(all: readonly string[]): string[] {
  const plain = [...new Set(all.map((address) => address.replace(/\/p2p\/[^/]+$/, '')))]
  const isOwn = (address: string): boolean => /^\/ip4\/127\.|^\/ip6\/::1\//.test(address)
  const sorted = [...plain.filter((one) => !isOwn(one)), ...plain.filter(isOwn)]
  return sorted.filter((one) => !one.includes('/p2p-circuit')).slice(0, MAX_ADDRESSES)
}

async function readLine({ terminal }: Invocation): Promise<string> {
  if (terminal.isInteractive) terminal.note('paste the invite, then Enter and Ctrl-D:')
  return await text(process.stdin)
}
