/**
 * `catalog prefetch LOCKFILE…`: has the daemon fetch all packages that lockfiles name, in batches of bounded size, and shows
 * progress. Never names a package to a registry that the project does not get it from.
 */
import { CatalogError } from '@catalog-p2p/core'
import type { Config } from '../../config/resolve.ts'
import type { DaemonClient, PrefetchResult } from '../../admin/daemon-client.ts'
import { DEFAULT_REGISTRY } from '../../upstream/default-registry.ts'
import type { LockfilePackage, SkipReason } from '../../lockfiles/package-collector.ts'
import type { Platform } from '../../lockfiles/platform.ts'
import { selectPackages } from '../../lockfiles/select.ts'
import { loadConfig, requireDaemon, type Invocation } from '../shell/invocation.ts'
import { EXIT } from '../shell/exit-codes.ts'
import { formatBytes, formatMs, plural } from '../shell/format.ts'
import { readLockfiles } from './lockfile-arguments.ts'
import { isAskedThere, projectRegistries } from '../../clients/project-registries.ts'
import type { Terminal } from '../shell/terminal.ts'
import { thisPlatform } from './this-platform.ts'

export interface PrefetchOptions {
  readonly lockfiles: readonly string[]
  /** Packages of every platform. */
  readonly all: boolean
  readonly os: string | undefined
  readonly cpu: string | undefined
  readonly libc: string | undefined
}

/** Small enough for the daemon's limits, large enough to keep it busy. */
const BATCH = 2_000

type Source = 'store' | 'peer' | 'origin'
type Counts = Record<Source, { artifacts: number; bytes: number }>

interface Tally {
  readonly wanted: number
  readonly skipped: Readonly<Partial<Record<SkipReason, number>>>
  readonly from: Counts
  readonly failed: PrefetchResult[]
  done: number
}

export async function prefetchCommand(
  invocation: Invocation,
  options: PrefetchOptions,
): Promise<number> {
  const { terminal, signal } = invocation
  const config = loadConfig(invocation)
  const platform = platformOf(options)
  const locks = await readLockfiles(terminal.cwd, options.lockfiles)
  const daemon = await requireDaemon(config)
  const { gateway } = await daemon.status({ signal })
  const self = hostsOf(daemon)
  const others = [DEFAULT_REGISTRY, ...(gateway.upstream === null ? [] : [gateway.upstream])]
  const hosts = [...self, ...others.map((url) => new URL(url).host)]
  const registries = await daemon.registries({ signal })
  const skipped: Partial<Record<SkipReason, number>> = {}
  const wanted = new Map<string, LockfilePackage>()
  for (const { lock, folder } of locks) {
    const context = { ...terminal, execPath: process.execPath }
    const registryOf = projectRegistries(lock.kind, folder, context)
    const selection = selectPackages(lock, {
      ...{ platform, hosts },
      isAskedThere: (name) => isAskedThere(name, registryOf(name), { hosts: self, registries }),
    })
    for (const found of selection.packages) wanted.set(`${found.name}@${found.version}`, found)
    for (const [reason, count] of Object.entries(selection.skipped)) {
      const key = reason as SkipReason
      skipped[key] = (skipped[key] ?? 0) + count
    }
  }
  const startMs = performance.now()
  const packages = [...wanted.values()]
  const tally: Tally = { wanted: packages.length, skipped, from: noCounts(), failed: [], done: 0 }
  await run({ terminal, config, daemon, signal }, packages, tally)
  return report({ terminal, config }, tally, performance.now() - startMs)
}

interface Run {
  readonly terminal: Terminal
  readonly config: Config
  readonly daemon: DaemonClient
  readonly signal: AbortSignal
}

async function run(by: Run, packages: readonly LockfilePackage[], tally: Tally): Promise<void> {
  const { terminal, config, daemon, signal } = by
  const isShown = terminal.canRewrite && !config.json
  let shownMs = -Infinity
  for (let start = 0; start < packages.length; start += BATCH) {
    const batch = packages.slice(start, start + BATCH).map(({ name, version, integrity }) => ({
      ...{ name, version },
      ...(integrity !== undefined && { integrity }),
    }))
    for await (const result of daemon.prefetch(batch, { signal })) {
      count(result, tally)
      if (config.json) terminal.print(JSON.stringify(result))
      if (!isShown || performance.now() - shownMs < 100) continue
      shownMs = performance.now()
      terminal.raw(`\r\u001B[2K${tally.done} of ${tally.wanted} · ${sources(tally)}`)
    }
  }
  if (isShown) terminal.raw('\r\u001B[2K')
}

function count(result: PrefetchResult, tally: Tally): void {
  tally.done += 1
  if (result.status === 'failed') {
    tally.failed.push(result)
    return
  }
  const source = result.source === 'store' || result.source === 'peer' ? result.source : 'origin'
  tally.from[source].artifacts += 1
  tally.from[source].bytes += result.bytes ?? 0
}

function report(by: { terminal: Terminal; config: Config }, tally: Tally, ms: number): number {
  const { terminal, config } = by
  const { wanted, from, failed, skipped } = tally
  if (config.json) {
    const sum = { wanted, from, failed: failed.length, skipped, ms: Math.round(ms) }
    terminal.print(JSON.stringify({ done: true, ...sum }))
  } else {
    for (const { name, version, error } of failed.slice(0, 20)) {
      terminal.note(`${terminal.paintNote('red', 'failed')} ${name}@${version}: ${error ?? ''}`)
    }
    if (failed.length > 20) terminal.note(`... and ${failed.length - 20} more`)
    terminal.print(`${plural(wanted, 'package')} in ${formatMs(ms)}: ${sources(tally)}`)
    for (const [reason, number] of Object.entries(skipped)) {
      terminal.print(`  ${number} left out: ${REASONS[reason as SkipReason]}`)
    }
  }
  return failed.length === 0 ? EXIT.ok : EXIT.incomplete
}

const REASONS: Readonly<Record<SkipReason, string>> = {
  workspace: 'a member of the workspace',
  link: 'a link to a folder',
  file: 'a file or folder',
  git: 'from a git repository',
  tarball: 'a tarball that is in no registry',
  bundled: 'inside another package',
  patch: 'a patched copy',
  jsr: 'from JSR',
  unreadable: 'not a name and version that npm would accept',
  'other-host': 'from a registry that this daemon does not stand for',
  platform: 'for another platform (--all takes them, too)',
}

function sources({ from, failed }: Tally): string {
  const part = (source: Source, word: string): string[] =>
    from[source].artifacts === 0
      ? []
      : [`${from[source].artifacts} ${word} (${formatBytes(from[source].bytes)})`]
  const parts = [
    ...part('store', 'there already'),
    ...part('peer', 'from peers'),
    ...part('origin', 'from the registry'),
  ]
  if (failed.length > 0) parts.push(`${failed.length} failed`)
  return parts.length === 0 ? 'nothing to fetch' : parts.join(', ')
}

function noCounts(): Counts {
  const zero = (): { artifacts: number; bytes: number } => ({ artifacts: 0, bytes: 0 })
  return { store: zero(), peer: zero(), origin: zero() }
}

function hostsOf(daemon: DaemonClient): string[] {
  const { host, port } = new URL(daemon.url)
  return [host, `127.0.0.1:${port}`, `localhost:${port}`, `[::1]:${port}`]
}

function platformOf(options: PrefetchOptions): Platform | undefined {
  if (options.all) {
    if ((options.os ?? options.cpu ?? options.libc) === undefined) return undefined
    throw new CatalogError(
      'INVALID_OPTIONS',
      '--all: has no use together with --os, --cpu or --libc',
    )
  }
  const here = thisPlatform()
  const os = options.os ?? here.os
  // For another machine than this one: nearly all Linux machines have glibc.
  const libc = os === here.os ? here.libc : 'glibc'
  return {
    os,
    cpu: options.cpu ?? here.cpu,
    libc: os === 'linux' ? (options.libc ?? libc) : undefined,
  }
}
