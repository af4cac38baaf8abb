/** `catalog store stat|verify|prune|pin|unpin`. */
import { CatalogError, findDigest } from '@catalog-p2p/core'
import { readValue } from '../../config/values.ts'
import { SETTINGS } from '../../config/settings.ts'
import { isForPlatform } from '../../lockfiles/platform.ts'
import { loadConfig, type Invocation } from '../shell/invocation.ts'
import { EXIT } from '../shell/exit-codes.ts'
import { formatBytes, formatFacts, formatMs, plural } from '../shell/format.ts'
import { readLockfiles } from '../prefetch/lockfile-arguments.ts'
import { thisPlatform } from '../prefetch/this-platform.ts'
import { openStoreFolder, type StoreFolder } from './store-folder.ts'
import type { Terminal } from '../shell/terminal.ts'

type Action = (store: StoreFolder, json: boolean) => Promise<number>

async function withStore(invocation: Invocation, action: Action): Promise<number> {
  const config = loadConfig(invocation)
  await using store = await openStoreFolder(config, invocation.signal)
  return await action(store, config.json)
}

export function storeStatCommand(invocation: Invocation): Promise<number> {
  const { terminal } = invocation
  return withStore(invocation, async (store, json) => {
    const usage = await store.usage()
    if (json) terminal.print(JSON.stringify({ ...usage, daemon: store.daemonUrl ?? null }))
    else {
      const lines = formatFacts([
        ['artifacts', String(usage.artifacts)],
        ['bytes', `${formatBytes(usage.bytes)} of ${formatBytes(usage.quotaBytes)}`],
        ['unfinished', formatBytes(usage.partialBytes)],
        ['pinned', String(usage.pinned)],
        ['writable', usage.writable ? 'yes' : 'NO: what is there is served, nothing new is kept'],
        ['in use by', store.daemonUrl ?? 'nobody'],
      ])
      for (const line of lines) terminal.print(line)
    }
    return usage.writable ? EXIT.ok : EXIT.failed
  })
}

export function storeVerifyCommand(invocation: Invocation): Promise<number> {
  const { terminal } = invocation
  return withStore(invocation, async (store, json) => {
    const startMs = performance.now()
    const isShown = terminal.canRewrite && !json
    let shownMs = 0
    const report = await store.verify((checked, total) => {
      if (!isShown || performance.now() - shownMs < 100) return
      shownMs = performance.now()
      terminal.raw(`\r${checked} of ${total} artifacts checked`)
    })
    if (isShown && shownMs > 0) terminal.raw('\r\u001B[2K')
    if (json) terminal.print(JSON.stringify(report))
    else {
      for (const digest of report.corrupt) terminal.print(`damaged, removed: ${digest}`)
      const size = formatBytes(report.bytes)
      const time = formatMs(performance.now() - startMs)
      const sum = `${plural(report.checked, 'artifact')} (${size}) checked in ${time}`
      terminal.print(`${sum}, ${report.corrupt.length} damaged`)
    }
    return report.corrupt.length === 0 ? EXIT.ok : EXIT.incomplete
  })
}

export function storePruneCommand(
  invocation: Invocation,
  options: { target: string | undefined },
): Promise<number> {
  const { terminal } = invocation
  const targetBytes = options.target === undefined ? undefined : parseSize(options.target)
  return withStore(invocation, async (store, json) => {
    const report = await store.prune(targetBytes)
    if (json) terminal.print(JSON.stringify(report))
    else {
      terminal.print(
        `${plural(report.removed, 'artifact')} removed, ${formatBytes(report.freed)} freed`,
      )
    }
    return EXIT.ok
  })
}

export async function storePinCommand(
  invocation: Invocation,
  options: { digests: readonly string[]; lockfiles: readonly string[]; pinned: boolean },
): Promise<number> {
  const { terminal } = invocation
  const digests = await digestsOf(terminal, options)
  return withStore(invocation, async (store, json) => {
    const report = await store.pin(digests, options.pinned)
    if (json) terminal.print(JSON.stringify(report))
    else {
      const verb = options.pinned ? 'pinned' : 'unpinned'
      terminal.print(`${plural(report.changed, 'artifact')} ${verb}`)
      if (report.missing.length > 0) {
        terminal.note(`${plural(report.missing.length, 'artifact')} not in the store`)
      }
    }
    return report.missing.length === 0 ? EXIT.ok : EXIT.incomplete
  })
}

async function digestsOf(
  terminal: Terminal,
  { digests, lockfiles }: { digests: readonly string[]; lockfiles: readonly string[] },
): Promise<string[]> {
  const found = digests.map((text) => {
    const digest = findDigest(text)
    if (digest !== undefined) return digest
    throw new CatalogError('INVALID_DIGEST', `"${text}" is no sha512 digest`, {
      hint: 'give it as lockfiles have it: sha512-…, or name a lockfile with --lockfile',
    })
  })
  const platform = thisPlatform()
  for (const { lock } of await readLockfiles(terminal.cwd, lockfiles)) {
    const packages = lock.packages.filter((entry) => isForPlatform(entry, platform))
    found.push(...packages.flatMap(({ integrity }) => findDigest(integrity ?? '') ?? []))
  }
  if (found.length > 0) return [...new Set(found)]
  throw new CatalogError('INVALID_OPTIONS', 'no digest given', {
    hint: 'give digests (sha512-…), or --lockfile FILE for all that a lockfile names',
  })
}

function parseSize(text: string): number {
  const quota = SETTINGS.find((setting) => setting.name === 'quota')
  const read = quota && readValue(quota, text, { folder: '', home: '' })
  if (read?.ok === true) return Number(read.value)
  throw new CatalogError('INVALID_OPTIONS', `--target: expected a size like 5GiB, got "${text}"`)
}
