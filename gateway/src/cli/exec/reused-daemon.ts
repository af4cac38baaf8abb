/**
 * A daemon that was there before the command and is watched while the command runs, by one idle connection: when it goes, a
 * gateway of our own takes its port before the package manager, which knows that address and no other, has tried for the last
 * time. One that comes back by itself is left to do so.
 */
import { once } from 'node:events'
import { Agent, request, type IncomingMessage } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { probeDaemon } from '../../admin/daemon-client.ts'
import type { ExecGateway, ExecGatewayWish, ExecStatus, StandIn } from './exec-gateway.ts'
import { startOwn } from './own-gateway.ts'

/** Package managers try again after 1, 2 and 4 seconds (Yarn), or after 10 (npm, pnpm). */
const COMES_BACK_MS = 1_500
const LOOK_MS = 150
const QUESTION_TIMEOUT_MS = 5_000
/** Between two looks at a daemon that does not keep a connection. */
const PAUSE_MS = 2_000
const TRIES = 4

type Watch = Parameters<NonNullable<ExecGateway['keep']>>[0]

export function reuseDaemon(
  url: string,
  status: () => Promise<ExecStatus>,
  wish: ExecGatewayWish,
): ExecGateway {
  let starting: Promise<ExecGateway> | undefined
  const begin = (): Promise<ExecGateway> => (starting = startAt(url, wish))
  return {
    ...{ url, kind: 'daemon', expectsPeers: false, status, knownArtifacts: () => 0 },
    keep: (watch) => keep(url, watch, begin),
    async stop() {
      const own = await starting?.catch(() => undefined)
      await own?.stop()
    },
  }
}

async function keep(
  url: string,
  watch: Watch,
  begin: () => Promise<ExecGateway>,
): Promise<StandIn | undefined> {
  const { signal } = watch
  for (let tries = 0; tries < TRIES; tries += 1) {
    await untilGone(url, signal)
    if (signal.aborted) return undefined
    try {
      const standIn = await unlessAborted(beginAndLook(begin), signal)
      if (standIn === undefined) return undefined
      watch.warn(`the daemon has gone; a gateway of our own has taken its place at ${url}`)
      await unlessAborted(new Promise<never>(() => undefined), signal)
      return standIn
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      // Another command's gateway may be there by now.
      const isThere = (await probeDaemon(url)) !== undefined
      if (tries === 0 && !isThere && !signal.aborted) watch.warn(lost(url, why))
      await pause(PAUSE_MS, signal)
    }
  }
  return undefined
}

function lost(url: string, why: string): string {
  return `the daemon at ${url} has gone, and its place can't be taken: ${why}. What the command's package manager asks there fails`
}

async function beginAndLook(begin: () => Promise<ExecGateway>): Promise<StandIn> {
  const gateway = await begin()
  return { gateway, before: await gateway.status() }
}

/** @throws Error, CatalogError */
async function startAt(url: string, wish: ExecGatewayWish): Promise<ExecGateway> {
  const gateway = await startOwn({ ...wish, ports: [Number(new URL(url).port)] })
  if (gateway.url === url) return gateway
  await gateway.stop()
  throw new Error(`a gateway here would be at ${gateway.url}`)
}

/** Or until `signal`. */
async function untilGone(url: string, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const startedAt = performance.now()
    await sit(url, signal)
    if (signal.aborted || !(await comesBack(url, signal))) return
    if (performance.now() - startedAt < PAUSE_MS) await pause(PAUSE_MS, signal)
  }
}

async function comesBack(url: string, signal: AbortSignal): Promise<boolean> {
  const deadline = performance.now() + COMES_BACK_MS
  for (;;) {
    if ((await probeDaemon(url)) !== undefined) return true
    if (signal.aborted || performance.now() > deadline) return false
    await pause(LOOK_MS, signal)
  }
}

/** Asks how it is, and stays connected until the other side has had enough. */
async function sit(url: string, signal: AbortSignal): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  try {
    const req = request(new URL('-/catalog/health', url), { agent, signal })
    // What ends it once it is answered is no matter.
    req.on('error', () => undefined)
    req.setTimeout(QUESTION_TIMEOUT_MS, () => req.destroy(new Error('no answer')))
    req.end()
    const [response] = (await once(req, 'response', { signal })) as [IncomingMessage]
    const { socket } = response.resume()
    socket.setTimeout(0)
    await once(socket, 'close', { signal })
  } catch {
    // Refused, reset, silent, or the command has ended: the caller looks which.
  } finally {
    agent.destroy()
  }
}

/** Undefined when `signal` comes first; what is under way then goes on. */
async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  const { promise, resolve } = Promise.withResolvers<undefined>()
  const end = (): void => resolve(undefined)
  signal.addEventListener('abort', end, { once: true })
  if (signal.aborted) end()
  try {
    return await Promise.race([work, promise])
  } finally {
    signal.removeEventListener('abort', end)
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined)
}
