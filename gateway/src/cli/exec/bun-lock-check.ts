/**
 * A bun.lock that names no host, as one made after `catalog use bun`, behind a company registry. Bun shows credentials to the
 * registry that it is pointed at and to nobody else, so it is not told where a private tarball is that lies elsewhere, and its
 * lockfile can't say. Through us that installs; without us it does not, and who made the lockfile must hear of it at once.
 */
import { join } from 'node:path'
import PQueue from 'p-queue'
import { parseLockfile } from '../../lockfiles/lockfile.ts'
import { tarballUrl } from '../../packuments/client-policy.ts'
import { projectRoot, readText } from './project-files.ts'
import { registryDocument } from './registry-document.ts'

export interface BunLockWish {
  readonly cwd: string
  readonly gateway: string
  /** The registry behind it. */
  readonly upstream: string
  readonly signal: AbortSignal
}

const CONCURRENCY = 8
/** Who adds more at a time hears of those that were looked at. */
const MAX_LOOKED_AT = 500
const MAX_SHOWN = 5
/** The gateway has just had the documents. */
const TIMEOUT_MS = 10_000

/** Call it before Bun starts; what it returns, after Bun has ended: a warning, if there is something to warn of. Never throws. */
export function watchBunLock(wish: BunLockWish): () => Promise<string | undefined> {
  const before = new Set(entriesWithoutUrl(wish.cwd))
  return async () => {
    const added = entriesWithoutUrl(wish.cwd).filter((entry) => !before.has(entry))
    const found = await unnoted(wish, added.slice(0, MAX_LOOKED_AT))
    if (found.length === 0) return undefined
    const more = found.length > MAX_SHOWN ? ` and ${found.length - MAX_SHOWN} more` : ''
    return (
      `bun.lock does not say where ${found.slice(0, MAX_SHOWN).join(', ')}${more} can be had without this gateway: the registry ` +
      'keeps them at other places than Bun derives, for which Bun would have no credentials through us. Next step: take ' +
      'bun.lock back, and write it with bun alone'
    )
  }
}

/** `name@version` of what Bun will look for where it derives. */
function entriesWithoutUrl(cwd: string): string[] {
  const text = readText(join(projectRoot(cwd) ?? cwd, 'bun.lock'))
  if (text === undefined) return []
  try {
    const { packages } = parseLockfile('bun.lock', text)
    return packages.flatMap(({ name, version, url }) => (url ? [] : [`${name}@${version}`]))
  } catch {
    return [] // Bun will say what is wrong with it
  }
}

async function unnoted(wish: BunLockWish, entries: readonly string[]): Promise<string[]> {
  const signal = AbortSignal.any([wish.signal, AbortSignal.timeout(TIMEOUT_MS)])
  const queue = new PQueue({ concurrency: CONCURRENCY })
  const found = await queue.addAll(
    entries.map((entry) => async () => {
      const isUnusual = await isElsewhere(wish, entry, signal).catch(() => false)
      return isUnusual ? [entry] : []
    }),
  )
  return found.flat()
}

async function isElsewhere(
  { gateway, upstream }: BunLockWish,
  entry: string,
  signal: AbortSignal,
): Promise<boolean> {
  const at = entry.lastIndexOf('@')
  const [name, version] = [entry.slice(0, at), entry.slice(at + 1)]
  const text = await registryDocument(gateway, name, signal)
  const document = JSON.parse(text ?? '{}') as Document
  const original = document.versions?.[version]?.dist?.tarball
  if (typeof original !== 'string') return false
  const context = { policy: 'usual', base: '', registry: upstream, isPrivate: false } as const
  return tarballUrl(original, { ...context, name, version }) === original
}

interface Document {
  readonly versions?: Readonly<Record<string, { readonly dist?: { readonly tarball?: unknown } }>>
}
