/**
 * Guesses, from the metadata that a client asks for, which artifacts it will want: of each package the highest version that
 * the latest versions of those asked for before depend on. The guesses are hints like any other. Off the request's path,
 * one package at a time, from metadata at hand only.
 */
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import PQueue from 'p-queue'
import semver from 'semver'
import type { Logger } from '@catalog-p2p/core'
import type { PackumentCache } from '../packuments/packument-cache.ts'
import type { Registries } from '../upstream/registries.ts'
import { isPackageName } from '../http/route.ts'
import { distTagsOf } from '../packuments/version-lines.ts'
import type { Hints } from './hints.ts'
import { dependenciesOf } from './latest-dependencies.ts'
import { MAX_NAMES, WantedRanges } from './wanted-ranges.ts'

export interface Prediction {
  /** A client has been given the metadata of a package. */
  onMetadata(name: string): void
}

const unzip = promisify(gunzip)
const MAX_DOCUMENT_BYTES = 32 * 1024 * 1024
const MAX_WAITING = 10_000
/** A client that asked for no metadata for this long has done with its project. */
const PAUSE_MS = 60_000

interface Known {
  readonly latest: string
  readonly versions: readonly string[]
  readonly text: () => Promise<Buffer | undefined>
}

export function createPrediction(
  deps: { hints: Hints; cache: PackumentCache; registries: Registries; log: Logger },
  nowMs: () => number = () => performance.now(),
): Prediction {
  const { hints, cache, registries, log } = deps
  const queue = new PQueue({ concurrency: 1 })
  const wanted = new WantedRanges()
  const done = new Set<string>()
  let lastMs = -Infinity

  async function find(name: string): Promise<Known | undefined> {
    const [document] = cache.findByName(registries.forName(name)?.url, name, [''])
    if (document === undefined) return undefined
    const at = { document: document.id, hash: document.hash }
    const lines = await cache.bodies.readUnpacked({ ...at, part: 'versions' })
    if (lines === undefined) return undefined
    const { latest } = JSON.parse(distTagsOf(lines).toString('utf8')) as { latest?: string }
    if (latest === undefined) return undefined
    const rest = lines.toString('utf8').split('\n').slice(1)
    return {
      latest,
      versions: rest.map((line) => line.slice(0, line.indexOf('\t'))).filter(Boolean),
      text: async () => {
        const raw = await cache.bodies.read({ ...at, part: 'raw' })
        return raw && (await unzip(raw, { maxOutputLength: MAX_DOCUMENT_BYTES }))
      },
    }
  }

  async function predictFrom(name: string): Promise<void> {
    const known = await find(name)
    if (known === undefined) return
    if (done.size < MAX_NAMES) done.add(name)
    const ranges = wanted.of(name) ?? ['latest']
    for (const range of ranges) guess(name, range, known)
    const text = await known.text()
    for (const each of text === undefined ? [] : dependenciesOf(text, known.latest)) {
      if (!isPackageName(each.name) || !wanted.add(each.name, each.range)) continue
      // Its metadata was asked for before somebody was seen to depend on it in this range.
      const found = done.has(each.name) ? await find(each.name) : undefined
      if (found !== undefined) guess(each.name, each.range, found)
    }
  }

  function guess(name: string, range: string, { latest, versions }: Known): void {
    const isLatest = range === 'latest' || semver.satisfies(latest, range)
    const version = isLatest ? latest : semver.maxSatisfying([...versions], range)
    if (version !== null) hints.predict({ name, version })
  }

  return {
    onMetadata(name) {
      const now = nowMs()
      if (now - lastMs > PAUSE_MS) {
        wanted.clear()
        done.clear()
      }
      lastMs = now
      if (done.has(name) || queue.size >= MAX_WAITING) return
      queue
        .add(() => predictFrom(name))
        .catch((error: unknown) => {
          const reason = error instanceof Error ? error.message : String(error)
          log.debug('prediction.failed', { name, reason })
        })
    },
  }
}
