/**
 * POST /-/catalog/prefetch: a lockfile's packages, got before the client asks for them. Streams one JSON line per package and
 * a last one with the sum. A lockfile picks what is fetched, and nothing of what it says is remembered: which bytes a version is,
 * the registry says. A list of thousands never blocks the event loop: only so many of its entries are handled per turn.
 */
import { once } from 'node:events'
import { z } from 'zod'
import { findDigest, isCatalogError } from '@catalog-p2p/core'
import { parseBody } from '../http/json-body.ts'
import type { Artifacts } from '../artifacts/artifacts.ts'
import { errorBody } from '../http/respond.ts'
import type { Exchange } from '../http/exchange.ts'
import { isPackageName, isVersion } from '../http/route.ts'
import { createYield } from './event-loop-yield.ts'

export interface PrefetchLine {
  readonly name: string
  readonly version: string
  readonly status: 'ok' | 'failed'
  readonly source?: string
  readonly bytes?: number
  readonly error?: string
}

export interface PrefetchSum {
  readonly done: true
  readonly packages: number
  readonly ok: number
  readonly failed: number
  readonly bytes: number
}

const packageSchema = z.object({
  name: z.string().refine(isPackageName, 'is not a package name'),
  version: z.string().refine(isVersion, 'is not a version'),
  integrity: z.string().max(1024).optional(),
  /** Accepted for tools that send it; upstream's own metadata says where a tarball is. */
  url: z.string().max(4096).optional(),
})

type WantedPackage = z.infer<typeof packageSchema>

/** Packages that are checked or begun in one turn of the event loop: 2 ms of work, 20 on a slow machine. */
export const MAX_A_TURN = 250

export async function answerPrefetch(
  deps: { artifacts: Pick<Artifacts, 'get'> },
  options: { maxPackages: number; concurrency: number },
  { exchange, body }: { exchange: Exchange; body: unknown },
): Promise<void> {
  const packages = await checkPackages(body, options.maxPackages, exchange.signal)
  const { res, signal, giveUp } = exchange
  res.statusCode = 200
  res.setHeader('content-type', 'application/x-ndjson')
  res.setHeader('cache-control', 'no-store')
  const sum = { ok: 0, failed: 0, bytes: 0 }
  // Each of them may wait for the client to read on.
  res.setMaxListeners(res.getMaxListeners() + options.concurrency)
  const yieldToEventLoop = createYield(MAX_A_TURN)
  const rest = packages.values()
  let failure: Error | undefined
  async function work(): Promise<void> {
    // One iterator for all of them: each takes the next.
    for (const wanted of rest) {
      await yieldToEventLoop()
      if (signal.aborted) return
      const line = await prefetchOne(deps.artifacts, wanted, signal)
      sum[line.status] += 1
      sum.bytes += line.bytes ?? 0
      if (!res.write(`${JSON.stringify(line)}\n`)) await once(res, 'drain', { signal })
    }
  }
  const failed = (error: unknown): void => {
    // The client has gone, or we have a bug: drop the rest.
    failure ??= error instanceof Error ? error : new Error(String(error))
    giveUp()
  }
  await Promise.all(Array.from({ length: options.concurrency }, () => work().catch(failed)))
  if (failure !== undefined) throw failure
  signal.throwIfAborted()
  const last: PrefetchSum = { done: true, packages: packages.length, ...sum }
  res.end(`${JSON.stringify(last)}\n`)
}

/** All of them are checked before anything is done with one. @throws CatalogError INVALID_OPTIONS */
async function checkPackages(
  body: unknown,
  maxPackages: number,
  signal: AbortSignal,
): Promise<WantedPackage[]> {
  const { packages } = parseBody(
    z.object({ packages: z.array(z.unknown()).max(maxPackages) }),
    body,
  )
  const yieldToEventLoop = createYield(MAX_A_TURN)
  const checked: WantedPackage[] = []
  for (const one of packages) {
    await yieldToEventLoop()
    signal.throwIfAborted()
    checked.push(parseBody(packageSchema, one, ['packages', checked.length]))
  }
  return checked
}

async function prefetchOne(
  artifacts: Pick<Artifacts, 'get'>,
  { name, version, integrity }: WantedPackage,
  signal: AbortSignal,
): Promise<PrefetchLine> {
  try {
    const expected = findDigest(integrity ?? '')
    const asked = { name, version, file: undefined, integrity: expected }
    const request = { ...asked, client: undefined, signal }
    const { artifact } = await artifacts.get(request)
    let bytes = artifact.bytes?.byteLength ?? 0
    if (artifact.bytes === undefined) {
      for await (const chunk of artifact.body) bytes += chunk.byteLength
    }
    return { name, version, status: 'ok', source: artifact.source, bytes }
  } catch (error) {
    signal.throwIfAborted()
    if (!isCatalogError(error)) throw error
    return { name, version, status: 'failed', error: errorBody(error).error }
  }
}
