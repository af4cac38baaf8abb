/**
 * `catalog bridge`: has the daemon listen where containers and the like reach it, asks it through there, and prints the lines for
 * the other side. `--undo` takes back all that this has written: one entry of one file of ours.
 */
import { networkInterfaces } from 'node:os'
import { CatalogError } from '@catalog-p2p/core'
import { findDaemon, type DaemonClient } from '../../admin/daemon-client.ts'
import {
  bridgeFilePath,
  readBridges,
  removeBridge,
  writeBridge,
  type Bridge,
  type BridgeKind,
} from '../../bridges/bridge-file.ts'
import { defaultConfigFolder } from '../../config/config-file.ts'
import { EXIT } from '../shell/exit-codes.ts'
import { loadConfig, portOf, type Invocation } from '../shell/invocation.ts'
import { checkBridge } from './bridge-check.ts'
import { guestUrl, linesFor } from './bridge-lines.ts'
import { bridgeAt, type PlaceFacts, type Where } from './bridge-place.ts'

export async function bridgeCommand(
  invocation: Invocation,
  where: Where,
  given: Pick<PlaceFacts, 'address' | 'bridgePort'>,
): Promise<number> {
  const { terminal, signal } = invocation
  const config = loadConfig(invocation)
  const daemon = await findDaemon(config.storePath, portOf(config))
  const folder = defaultConfigFolder()
  const path = bridgeFilePath(folder)
  const port = daemon?.info?.port ?? portOf(config)
  const { platform } = terminal
  const bridge = bridgeAt(where, {
    ...{ platform, interfaces: networkInterfaces(), port, folder, ...given },
  })
  await writeBridge(path, bridge)
  const state = await open(daemon, bridge, signal)
  const url = guestUrl(bridge)
  const lines = linesFor(where, bridge)
  if (config.json) {
    terminal.print(JSON.stringify({ where, url, bridge, state, lines }))
    return EXIT.ok
  }
  terminal.note(
    state === 'open'
      ? `guests reach the daemon at ${url} now: public packages, nothing of yours`
      : `noted in ${path}: no daemon runs that is yours, it listens there from its next start`,
  )
  for (const { title, lines: each } of lines) {
    terminal.note(`\n${title}:`)
    for (const line of each) terminal.print(line)
  }
  terminal.note(`\nundo: catalog bridge ${where} --undo`)
  return EXIT.ok
}

/** @throws CatalogError DAEMON_FAILED when it is not open afterwards, for the reason; it stays noted, and is tried again */
async function open(
  daemon: DaemonClient | undefined,
  bridge: Bridge,
  signal: AbortSignal,
): Promise<'open' | 'noted'> {
  if (daemon?.info === undefined) return 'noted'
  const states = await daemon.refreshBridges({ signal })
  const problem = states.find((each) => each.bridge.kind === bridge.kind)?.problem
  if (problem !== null) {
    throw new CatalogError('DAEMON_FAILED', problem ?? 'the daemon reads another file of bridges', {
      hint: 'the daemon tries again every 15 seconds ("catalog bridge --list"); --bridge-port names another port, --undo ends it',
    })
  }
  await checkBridge(bridge, daemon.info.id, signal)
  return 'open'
}

export async function unbridgeCommand(invocation: Invocation, where: Where): Promise<number> {
  const { terminal, signal } = invocation
  const config = loadConfig(invocation)
  const kind: BridgeKind = where === 'devcontainer' ? 'docker' : where
  const removed = await removeBridge(bridgeFilePath(defaultConfigFolder()), kind)
  const daemon = await findDaemon(config.storePath, portOf(config))
  if (daemon?.info !== undefined) await daemon.refreshBridges({ signal })
  if (config.json) terminal.print(JSON.stringify({ where, removed }))
  else terminal.print(removed ? 'closed' : 'there was none')
  return EXIT.ok
}

export async function bridgesCommand(invocation: Invocation): Promise<number> {
  const { terminal, signal } = invocation
  const config = loadConfig(invocation)
  const daemon = await findDaemon(config.storePath, portOf(config))
  const noted = await readBridges(bridgeFilePath(defaultConfigFolder()))
  const states =
    daemon?.info === undefined
      ? noted.map((bridge) => ({ bridge, problem: 'no daemon of yours runs' }))
      : await daemon.refreshBridges({ signal })
  if (config.json) terminal.print(JSON.stringify({ bridges: states }))
  else if (states.length === 0) terminal.print('none')
  for (const { bridge, problem } of config.json ? [] : states) {
    const place = bridge.kind === 'sandbox' ? bridge.path : `${bridge.address} port ${bridge.port}`
    terminal.print(`${bridge.kind}  ${place}  ${problem ?? 'open'}`)
  }
  return EXIT.ok
}
