/**
 * The listeners for guests, as the bridges' file says. One that cannot listen yet (its network comes later than we do) is tried
 * again, and never keeps the daemon from serving. Says nothing about what guests may have: the handler does.
 */
import { chmod, mkdir, rm } from 'node:fs/promises'
import type { RequestListener } from 'node:http'
import { connect } from 'node:net'
import { dirname } from 'node:path'
import type { Logger } from '@catalog-p2p/core'
import { createHostCheck, type HostCheck } from '../http/host-check.ts'
import { createListener, type Listener, type ServerOptions } from '../http/server.ts'
import { readBridges, type Bridge } from './bridge-file.ts'

export interface BridgeState {
  readonly bridge: Bridge
  /** Why nobody can reach it now. */
  readonly problem: string | null
}

export interface Bridges {
  /** As the file says now. @throws CatalogError INVALID_OPTIONS when it makes no sense */
  refresh(): Promise<readonly BridgeState[]>
  stop(): Promise<void>
}

export interface BridgesDependencies {
  readonly log: Logger
  readonly handlerFor: (hosts: HostCheck) => RequestListener
}

interface OpenBridge {
  readonly bridge: Bridge
  readonly listener: Listener
  problem: string | null
}

const RETRY_MS = 15_000

/** @param path undefined: there are none */
export function createBridges(
  deps: BridgesDependencies,
  { path, server }: { path: string | undefined; server: Omit<ServerOptions, 'port' | 'addresses'> },
): Bridges {
  const open = new Map<string, OpenBridge>()
  let turn: Promise<unknown> = Promise.resolve()
  let retry: NodeJS.Timeout | undefined

  /** One change at a time. */
  function inTurn<T>(change: () => Promise<T>): Promise<T> {
    const result = turn.then(change)
    turn = result.catch(() => undefined)
    return result
  }

  /** Again after a while, as long as one of them can't. */
  async function tryAll(): Promise<void> {
    clearTimeout(retry)
    for (const each of open.values()) if (each.problem !== null) await listen(deps.log, each)
    if (![...open.values()].some(({ problem }) => problem !== null)) return
    retry = setTimeout(() => void inTurn(tryAll), RETRY_MS).unref()
  }

  async function closeAllBut(wanted: ReadonlySet<string>): Promise<void> {
    for (const [key, { listener }] of open) {
      if (wanted.has(key)) continue
      await listener.stop()
      open.delete(key)
    }
  }

  return {
    refresh: () =>
      inTurn(async () => {
        const bridges = path === undefined ? [] : await readBridges(path)
        const wanted = new Map(bridges.map((bridge) => [JSON.stringify(bridge), bridge]))
        await closeAllBut(new Set(wanted.keys()))
        for (const [key, bridge] of wanted) {
          if (!open.has(key)) open.set(key, { bridge, ...create(deps, bridge, server) })
        }
        await tryAll()
        return [...open.values()].map(({ bridge, problem }) => ({ bridge, problem }))
      }),
    stop: () =>
      inTurn(async () => {
        clearTimeout(retry)
        await closeAllBut(new Set())
      }),
  }
}

function create(
  { log, handlerFor }: BridgesDependencies,
  bridge: Bridge,
  server: Omit<ServerOptions, 'port' | 'addresses'>,
): Pick<OpenBridge, 'listener' | 'problem'> {
  const isSocket = bridge.kind === 'sandbox'
  const hosts = createHostCheck({
    addresses: isSocket ? [] : [bridge.address],
    allowedHosts: isSocket ? [] : bridge.hosts,
  })
  const place = isSocket
    ? { port: 0, addresses: [bridge.path] }
    : { port: bridge.port, addresses: [bridge.address] }
  const listener = createListener({ log, handle: handlerFor(hosts) }, { ...server, ...place })
  return { listener, problem: 'not open yet' }
}

/** Never rejects. */
async function listen(log: Logger, entry: OpenBridge): Promise<void> {
  const { bridge } = entry
  const { kind } = bridge
  try {
    if (bridge.kind === 'sandbox') await makeRoom(bridge.path)
    await entry.listener.start()
    if (bridge.kind === 'sandbox') await chmod(bridge.path, 0o600)
    entry.problem = null
    log.info('bridge.open', { kind })
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    if (entry.problem !== reason) log.warn('bridge.closed', { kind, reason })
    entry.problem = reason
    await entry.listener.stop() // what went wrong may have come after its start
  }
}

/** For a socket in a folder of this user's own, where a process that was killed may have left one. */
async function makeRoom(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  if (await isDead(path)) await rm(path, { force: true })
}

/** Whether there is a socket that nobody listens on. */
async function isDead(path: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const socket = connect(path, () => resolve(false))
  socket.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code === 'ECONNREFUSED'))
  try {
    return await promise
  } finally {
    socket.destroy()
  }
}
