/**
 * How other commands find a running daemon and talk to it: daemon.json in the store folder (0600, because it holds the admin
 * token) says where; whether it is alive is asked of the daemon, never concluded from a process id. Every wait has a deadline.
 */
import { randomBytes } from 'node:crypto'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { CatalogError, type NodePeer, type NodeStats } from '@catalog-p2p/core'
import type { Explanation } from '../activity/explanation.ts'
import type { PruneReport, VerifyReport } from '@catalog-p2p/core'
import type { GatewayStats } from '../api.ts'
import type { BridgeState } from '../bridges/bridges.ts'
import { isProof } from './daemon-proof.ts'
import { ask, brokenOff, refusal, send, type Question } from './daemon-request.ts'
import type { Published } from '../publishing/publish-version.ts'
import type { SearchReport } from '../search/answer-search.ts'
import type { ScopedRegistry } from '../upstream/registries.ts'
import { replaceFile } from '../replace-file.ts'

const infoSchema = z.object({
  pid: z.number().int().positive(),
  port: z.number().int().min(1).max(65_535),
  /** What clients are pointed at. */
  url: z.url(),
  /** The peer id; that a daemon is the one that wrote the file, only its token shows (daemon-proof.ts). */
  id: z.string().min(1),
  token: z.string().min(16),
  version: z.string(),
  startedAtMs: z.number(),
  /** What a user of it may want otherwise: cli/start/daemon-settings.ts. */
  settings: z.record(z.string(), z.unknown()).optional(),
})

const healthSchema = z.object({
  status: z.literal('ok'),
  id: z.string(),
  /** The answer to a challenge. */
  proof: z.string().optional(),
})

export type DaemonInfo = z.output<typeof infoSchema>

export interface DaemonStatus {
  readonly gateway: GatewayStats
  readonly node: NodeStats
  /** For its owner only: proofOf() of what it has for its main registry. */
  readonly credentials?: string | null
}

export interface PrefetchPackage {
  readonly name: string
  readonly version: string
  readonly integrity?: string
}

/** One line of a prefetch: a package that is done. */
export interface PrefetchResult {
  readonly name: string
  readonly version: string
  readonly status: 'ok' | 'failed'
  readonly source?: string
  readonly bytes?: number
  readonly error?: string
}

export interface DaemonClient {
  readonly url: string
  /** undefined: found by its port, so its file (and token) is in a store folder that we do not know. */
  readonly info: DaemonInfo | undefined
  status(options: { signal: AbortSignal }): Promise<DaemonStatus>
  /** What it asks for packages, by scope; null: of all that have none of their own. */
  registries(options: { signal: AbortSignal }): Promise<readonly ScopedRegistry[]>
  peers(options: { signal: AbortSignal }): Promise<readonly NodePeer[]>
  /** Why the last install took as long as it did; null: there was none. */
  explain(options: { signal: AbortSignal }): Promise<Explanation | null>
  search(text: string, options: { limit: number; signal: AbortSignal }): Promise<SearchReport>
  verify(options: { signal: AbortSignal }): Promise<VerifyReport>
  prune(options: { targetBytes?: number; signal: AbortSignal }): Promise<PruneReport>
  pin(
    digests: readonly string[],
    options: { pinned: boolean; signal: AbortSignal },
  ): Promise<{ changed: number; missing: readonly string[] }>
  /** A document as npm's publish sends it, for the network. */
  publish(document: object, options: { signal: AbortSignal }): Promise<Published>
  /** share-actions.ts */
  share(action: string, body: unknown, options: { signal: AbortSignal }): Promise<unknown>
  guard(action: string, body: unknown, options: { signal: AbortSignal }): Promise<unknown>
  /** Opens and closes what the bridges' file says. */
  refreshBridges(options: { signal: AbortSignal }): Promise<readonly BridgeState[]>
  /** Yields a line a package as each is done. */
  prefetch(
    packages: readonly PrefetchPackage[],
    options: { signal: AbortSignal },
  ): AsyncIterable<PrefetchResult>
}

const FIND_TIMEOUT_MS = 5_000
/** Nothing heard for this long: the daemon hangs. */
const SILENCE_MS = 30_000
/** Verifying and prefetching say nothing for as long as one large artifact takes. */
const LONG_SILENCE_MS = 600_000
const MAX_LINE_LENGTH = 64 * 1024

export function daemonFile(storePath: string): string {
  return join(storePath, 'daemon.json')
}

export async function writeDaemonFile(storePath: string, info: DaemonInfo): Promise<void> {
  const text = `${JSON.stringify(info, null, 2)}\n`
  await replaceFile(daemonFile(storePath), Buffer.from(text), { mode: 0o600, keepMode: false })
}

/** Removes the file if it is still the one that says `info`; a successor's stays. */
export async function removeDaemonFile(storePath: string, info: DaemonInfo): Promise<void> {
  const found = await readDaemonFile(storePath)
  if (found?.token === info.token) await rm(daemonFile(storePath), { force: true })
}

/** undefined when there is none that makes sense. */
export async function readDaemonFile(storePath: string): Promise<DaemonInfo | undefined> {
  let text: string
  try {
    text = await readFile(daemonFile(storePath), 'utf8')
  } catch {
    return undefined // no file, or not ours to read: no daemon that we could talk to
  }
  try {
    return infoSchema.parse(JSON.parse(text))
  } catch {
    return undefined // half-written by a dying disk, or by hand: the same as none
  }
}

/**
 * The daemon of this store, or else whatever catalog answers on `port` of this machine (without its token then). undefined
 * when neither answers in time.
 */
export async function findDaemon(
  storePath: string,
  port: number,
): Promise<DaemonClient | undefined> {
  const info = await readDaemonFile(storePath)
  if (info !== undefined && (await isRunning(info))) return createClient(info.url, info)
  return daemonAt(`http://127.0.0.1:${port}/`)
}

/** Whatever catalog answers at `url`, without its token. */
export async function daemonAt(url: string): Promise<DaemonClient | undefined> {
  return (await probeDaemon(url)) === undefined ? undefined : createClient(url, undefined)
}

/** The peer id of the catalog that answers at `url`; undefined when nothing does, or something else. */
export async function probeDaemon(url: string): Promise<{ id: string } | undefined> {
  const health = await readHealth(url, 'health')
  return health && { id: health.id }
}

/** Whether it is the daemon that wrote the file: it has the token, which goes to nobody who does not. */
async function isRunning({ url, id, token }: DaemonInfo): Promise<boolean> {
  const challenge = randomBytes(24).toString('base64url')
  const health = await readHealth(url, `health?challenge=${challenge}`)
  return health?.id === id && isProof(token, challenge, health.proof)
}

type Health = z.output<typeof healthSchema>

async function readHealth(url: string, path: string): Promise<Health | undefined> {
  try {
    const signal = AbortSignal.timeout(FIND_TIMEOUT_MS)
    return healthSchema.parse(await ask({ url, path, signal, silenceMs: FIND_TIMEOUT_MS }))
  } catch {
    return undefined // refused, silent, or no catalog
  }
}

function createClient(url: string, info: DaemonInfo | undefined): DaemonClient {
  // With the token the daemon tells its owner the whole URL of its upstream.
  const mine = info === undefined ? {} : { token: info.token }
  const get = (path: string, signal: AbortSignal): Promise<unknown> =>
    ask({ url, path, signal, silenceMs: SILENCE_MS, ...mine })
  const post = (path: string, body: unknown, signal: AbortSignal): Promise<unknown> =>
    ask({ url, path, signal, silenceMs: LONG_SILENCE_MS, body, token: tokenOf(info, url) })
  // The daemon is this very program, so its answers are taken as typed.
  return {
    url,
    info,
    status: async ({ signal }) => (await get('status', signal)) as DaemonStatus,
    registries: async ({ signal }) =>
      ((await get('health', signal)) as { registries?: readonly ScopedRegistry[] }).registries ??
      [],
    explain: async ({ signal }) =>
      ((await get('explain', signal)) as { explanation: Explanation | null }).explanation,
    peers: async ({ signal }) =>
      ((await get('peers', signal)) as { peers: readonly NodePeer[] }).peers,
    search: async (text, { limit, signal }) =>
      (await get(`search?size=${limit}&text=${encodeURIComponent(text)}`, signal)) as SearchReport,
    verify: async ({ signal }) => (await post('store/verify', {}, signal)) as VerifyReport,
    prune: async ({ targetBytes, signal }) =>
      (await post('store/prune', { targetBytes }, signal)) as PruneReport,
    pin: async (digests, { pinned, signal }) =>
      (await post('store/pin', { digests, pinned }, signal)) as {
        changed: number
        missing: readonly string[]
      },
    publish: async (document, { signal }) => (await post('publish', document, signal)) as Published,
    share: (action, body, { signal }) => post(`share/${action}`, body, signal),
    refreshBridges: async ({ signal }) =>
      ((await post('bridges/refresh', {}, signal)) as { bridges: readonly BridgeState[] }).bridges,
    guard: (action, body, { signal }) => post(`guard/${action}`, body, signal),
    prefetch: (packages, { signal }) =>
      readPrefetch({
        ...{ url, path: 'prefetch', signal, silenceMs: LONG_SILENCE_MS },
        ...{ body: { packages }, token: tokenOf(info, url) },
      }),
  }
}

function tokenOf(info: DaemonInfo | undefined, url: string): string {
  if (info !== undefined) return info.token
  throw new CatalogError('DAEMON_NOT_RUNNING', `the catalog at ${url} uses another store folder`, {
    hint: 'name its folder with --store (or CATALOG_STORE, or in the config file)',
  })
}

async function* readPrefetch(question: Question): AsyncGenerator<PrefetchResult> {
  const response = await send(question)
  if (response.statusCode !== 200) throw await refusal(question, response)
  let isComplete = false
  let rest = ''
  try {
    response.setEncoding('utf8')
    for await (const chunk of response as AsyncIterable<string>) {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop() ?? ''
      if (rest.length > MAX_LINE_LENGTH) throw new Error('a line is too long')
      for (const line of lines) {
        const said = JSON.parse(line) as PrefetchResult | { done: true }
        if ('done' in said) isComplete = true
        else yield said
      }
    }
    if (!isComplete) throw new Error('the answer has no end')
  } catch (error) {
    question.signal.throwIfAborted()
    throw brokenOff(question, error)
  }
}
