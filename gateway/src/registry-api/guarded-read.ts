/**
 * The guard in front of what is passed through: a version's own document, a tag's, and tarballs at unusual places show or give what
 * metadata and the usual tarballs deny. Looks at the URL only, before the registry is asked.
 */
import { clientCredentials } from '../upstream/client-credentials.ts'
import type { Exchange } from '../http/exchange.ts'
import { isVersion } from '../http/route.ts'
import type { Packuments } from '../packuments/packument-service.ts'
import type { VersionIndex } from '../packuments/version-index.ts'
import type { Guard } from '../guard/guard.ts'
import type { Credentials } from '../upstream/credentials.ts'
import type { Registries } from '../upstream/registries.ts'
import { parseVersionCall } from './version-document.ts'

export interface GuardedReadDependencies {
  readonly registries: Registries
  readonly packuments: Packuments
  readonly index: VersionIndex
  /** @throws CatalogError DENIED */
  readonly admit: (read: GuardedRead) => Promise<void>
}

export interface GuardedRead {
  readonly name: string
  readonly version: string | undefined
  readonly file: string | undefined
  readonly integrity: undefined
  readonly client: Credentials | undefined
  readonly signal: AbortSignal
}

/** `name`: of the package that the request is about. */
export function isGuardedRead(
  guard: Guard,
  { target }: Exchange,
  name: string | undefined,
): name is string {
  const isRead = target.method === 'GET' || target.method === 'HEAD'
  return isRead && name !== undefined && guard.mayDeny(name)
}

/** @throws CatalogError DENIED */
export async function admitRead(
  deps: GuardedReadDependencies,
  exchange: Exchange,
  name: string,
): Promise<void> {
  const { target, signal } = exchange
  const client = clientCredentials(deps.registries, exchange, name)
  const read = { name, integrity: undefined, client, signal }
  const path = plainPath(target.path)
  const call = parseVersionCall({ ...target, path })
  if (call !== undefined) {
    const { spec } = call
    const version = isVersion(spec) ? spec : await versionOfTag(deps, read, spec)
    // A tag that does not exist is upstream's to refuse.
    if (version === undefined) return
    return deps.admit({ ...read, version, file: undefined })
  }
  const file = path.split('/').at(-1) ?? ''
  const isTarball = !path.startsWith('/-/') && /\.t(?:ar\.)?gz$/i.test(file)
  if (isTarball) await deps.admit({ ...read, version: undefined, file })
}

/** As a registry reads it: a spelling of its own must not pass where the usual one does not. */
function plainPath(url: string): string {
  const path = (url.split('?', 1)[0] ?? '').replace(/\/+$/, '')
  try {
    return decodeURIComponent(path)
  } catch {
    return path // a registry can't read it either
  }
}

async function versionOfTag(
  { registries, packuments, index }: GuardedReadDependencies,
  { name, client, signal }: Pick<GuardedRead, 'name' | 'client' | 'signal'>,
  tag: string,
): Promise<string | undefined> {
  // Anew: the registry will answer with what the tag names now.
  await packuments.get({ name, kind: 'abbreviated', client, revalidate: true, signal })
  const { owners } = packuments.viewer(name, client)
  const registry = registries.forName(name)?.url
  const text = await index.distTags({ registry, name, version: undefined, file: undefined, owners })
  const tags = JSON.parse(text?.toString('utf8') ?? '{}') as Readonly<Record<string, unknown>>
  const version = Object.hasOwn(tags, tag) ? tags[tag] : undefined
  return typeof version === 'string' ? version : undefined
}
