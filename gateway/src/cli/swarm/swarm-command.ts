/**
 * `catalog swarm init|members|rotate|certify|leave`: works on the swarm's file, which a running daemon reads again by itself.
 * Never prints a key.
 */
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { rm } from 'node:fs/promises'
import {
  CatalogError,
  createSwarmKey,
  openCertificate,
  parseKeyId,
  parseSwarmFile,
  swarmFileToText,
  type NodePeer,
  type SwarmFile,
} from '@catalog-p2p/core'
import { durationOf } from '../../config/values.ts'
import { inviteFolder } from '../../swarm/invite-book.ts'
import { readSwarmFile, writeSwarmFile } from '../../swarm/swarm-text.ts'
import { findDaemon } from '../../admin/daemon-client.ts'
import { sharedScopes } from '../start/configured-swarm.ts'
import { loadConfig, portOf, type Invocation } from '../shell/invocation.ts'
import { EXIT } from '../shell/exit-codes.ts'
import { formatFacts, formatMs, formatTable } from '../shell/format.ts'
import { requireSwarmFile, swarmFileOf } from './place.ts'

export interface InitOptions {
  readonly name: string
  readonly share?: readonly string[]
  readonly root?: string
}

export interface InviteOptions {
  readonly for: string
  readonly many: boolean
}

export interface RotateOptions {
  readonly grace: string
}

export async function swarmInitCommand(
  invocation: Invocation,
  { name, share = [], root }: InitOptions,
): Promise<number> {
  const { terminal } = invocation
  const config = loadConfig(invocation)
  const path = swarmFileOf(config)
  if (readSwarmFile(path) !== undefined) {
    throw new CatalogError('INVALID_OPTIONS', `this machine is in a private swarm: ${path}`, {
      hint: 'leave it first (catalog swarm leave), or name another file with --swarm',
    })
  }
  const file: SwarmFile = {
    ...{ name, keys: [{ key: createSwarmKey() }], shareScopes: share, bootstrap: [] },
    root: root === undefined ? undefined : parseKeyId(root),
  }
  // What could not be read again would show at the next start only.
  parseSwarmFile(swarmFileToText(file), '--name, --share')
  await writeSwarmFile(path, file)
  if (config.json) terminal.print(JSON.stringify({ name, file: path }))
  else {
    terminal.print(`private swarm "${name}" made: ${path}`)
    await sayNext(invocation, 'then let another machine in with "catalog swarm invite"')
  }
  return EXIT.ok
}

export async function swarmRotateCommand(
  invocation: Invocation,
  { grace }: RotateOptions,
): Promise<number> {
  const { terminal } = invocation
  const config = loadConfig(invocation)
  const { path, file } = requireSwarmFile(config)
  const nowMs = Date.now()
  const untilMs = nowMs + durationOf(grace, '--grace')
  const old = file.keys.map(({ key, untilMs: before = Infinity }) => ({
    key,
    untilMs: Math.min(before, untilMs),
  }))
  // Those that have ended count for nothing, and say on each machine which swarm it is that has another key now.
  await writeSwarmFile(path, { ...file, keys: [{ key: createSwarmKey() }, ...old.slice(0, 3)] })
  const until = new Date(untilMs).toISOString()
  if (config.json) terminal.print(JSON.stringify({ file: path, until }))
  else {
    terminal.print(`new key in ${path}; the old one counts until ${until}`)
    terminal.print(
      'a running daemon uses it within seconds. Each machine that stays needs it until',
    )
    terminal.print(
      'then: "catalog swarm invite --many" here, "catalog swarm join" there; CI: its secret',
    )
  }
  return EXIT.ok
}

export async function swarmCertifyCommand(invocation: Invocation, from: string): Promise<number> {
  const { terminal } = invocation
  const config = loadConfig(invocation)
  const { path, file } = requireSwarmFile(config)
  const certificate = await readFile(resolve(terminal.cwd, from)).catch((error: unknown) => {
    throw new CatalogError('INVALID_OPTIONS', `${from}: can't be read`, { cause: error })
  })
  const { subject, names, issuer, notAfterMs } = openCertificate(certificate)
  const problem =
    subject.kind !== 'machine'
      ? 'is not of a machine'
      : file.root !== undefined && issuer !== file.root
        ? `is signed by ${issuer}, not by the root of the swarm`
        : names.includes(file.name)
          ? undefined
          : `is for ${names.join(', ')}, not for "${file.name}"`
  if (problem !== undefined) {
    throw new CatalogError('INVALID_OPTIONS', `${from}: the certificate ${problem}`, {
      hint: 'have one issued for this machine ("catalog status" shows its peer id) and this swarm',
    })
  }
  await writeSwarmFile(path, { ...file, root: issuer, certificate })
  const until = new Date(notAfterMs).toISOString()
  terminal.print(
    config.json ? JSON.stringify({ file: path, until }) : `certified until ${until}: ${path}`,
  )
  return EXIT.ok
}

export async function swarmLeaveCommand(invocation: Invocation): Promise<number> {
  const { terminal } = invocation
  const config = loadConfig(invocation)
  const { path, file } = requireSwarmFile(config)
  await rm(path, { force: true })
  await rm(inviteFolder(path), { recursive: true, force: true })
  if (config.json) terminal.print(JSON.stringify({ left: file.name }))
  else {
    terminal.print(`left private swarm "${file.name}"; its key is gone from this machine`)
    terminal.print('whoever was given it before still has it: if that is a reason, rotate it there')
    await sayNext(invocation, 'what was shared in the swarm is private again from then on')
  }
  return EXIT.ok
}

export async function swarmMembersCommand(invocation: Invocation): Promise<number> {
  const { terminal, signal } = invocation
  const config = loadConfig(invocation)
  const { path, file } = requireSwarmFile(config)
  const daemon = await findDaemon(config.storePath, portOf(config))
  const peers = daemon === undefined ? undefined : await daemon.peers({ signal })
  const { name, root, keys } = file
  const { shared: shareScopes } = sharedScopes(config, file.shareScopes)
  if (config.json) {
    const members = peers?.map(({ peer, address, connectedAtMs }) => ({
      peer,
      address,
      connectedAtMs,
    }))
    terminal.print(JSON.stringify({ name, file: path, root, shareScopes, members }))
    return EXIT.ok
  }
  const current = keys.filter(({ untilMs = Infinity }) => Date.now() < untilMs)
  const ending = current.flatMap(({ untilMs }) =>
    untilMs === undefined ? [] : [`one until ${new Date(untilMs).toISOString()}`],
  )
  const facts: [string, string][] = [
    ['swarm', `${name} (${path})`],
    ['keys', [String(current.length), ...ending].join(', ')],
    ['root', root ?? 'none: whoever has the key is a member'],
    ['shared from here', shareScopes.join(', ') || 'none: what is private stays on its machine'],
  ]
  for (const line of formatFacts(facts)) terminal.print(line)
  if (peers === undefined) terminal.note('no catalog daemon is running, so nobody is connected')
  else if (peers.length === 0) terminal.print('no other member is connected')
  else for (const line of memberTable(peers)) terminal.print(line)
  return EXIT.ok
}

function memberTable(peers: readonly NodePeer[]): string[] {
  const columns = [{ title: 'MEMBER' }, { title: 'SINCE' }, { title: 'ADDRESS' }]
  const since = (peer: NodePeer): string => formatMs(Math.max(0, Date.now() - peer.connectedAtMs))
  return formatTable(
    columns,
    peers.map((peer) => [peer.peer, since(peer), peer.address]),
  )
}

async function sayNext(invocation: Invocation, then: string): Promise<void> {
  const { terminal } = invocation
  const config = loadConfig(invocation)
  const daemon = await findDaemon(config.storePath, portOf(config))
  const start = daemon === undefined ? 'start the daemon (catalog start)' : 'restart the daemon'
  terminal.print(`${start}; ${then}`)
}
