/** `catalog registry-keys list|update|import|export`: works on the keyring file; a running daemon reads the file again by itself. */
import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { resolve } from 'node:path'
import { CatalogError } from '@catalog-p2p/core'
import { defaultConfigFolder } from '../../config/config-file.ts'
import type { Config } from '../../config/resolve.ts'
import { mergeKeys, type MergeReport } from '../../keys/keyring-merge.ts'
import {
  effectiveKeys,
  keyringPath,
  publishedForm,
  readKeyring,
  writeKeyring,
} from '../../keys/keyring.ts'
import { fetchRegistryKeys } from '../../keys/fetch-keys.ts'
import { parseRegistryKeys, type RegistryKey } from '../../keys/registry-key.ts'
import { configuredRegistries } from '../shell/configured-registries.ts'
import { loadConfig, type Invocation } from '../shell/invocation.ts'
import { EXIT } from '../shell/exit-codes.ts'
import { formatTable, plural } from '../shell/format.ts'

interface RegistryOption {
  readonly registry?: string
}

interface ImportOptions extends RegistryOption {
  readonly file: string
  readonly replace: boolean
  readonly dropPinned: boolean
}

const MAX_BYTES = 1024 * 1024

export async function keysListCommand(
  invocation: Invocation,
  options: RegistryOption,
): Promise<number> {
  const { terminal } = invocation
  const { config, path, registry } = await placeOf(invocation, options)
  const keys = effectiveKeys(await readKeyring(path), registry)
  if (config.json) terminal.print(JSON.stringify({ registry, keyring: path, keys }))
  else {
    terminal.print(`registry  ${registry}`)
    const rows = keys.map(({ keyid, expires, source }) => [keyid, lifeOf(expires), source])
    const columns = [{ title: 'KEY' }, { title: 'STATE' }, { title: 'FROM' }]
    for (const line of formatTable(columns, rows)) terminal.print(line)
  }
  return EXIT.ok
}

export async function keysExportCommand(
  invocation: Invocation,
  options: RegistryOption,
): Promise<number> {
  const { path, registry } = await placeOf(invocation, options)
  const keys = effectiveKeys(await readKeyring(path), registry)
  invocation.terminal.print(JSON.stringify(publishedForm(keys), null, 2))
  return EXIT.ok
}

export async function keysImportCommand(
  invocation: Invocation,
  options: ImportOptions,
): Promise<number> {
  const { file } = options
  const keys = parseRegistryKeys(await readJsonFile(invocation, file), file)
  return takeOver(invocation, keys, options)
}

export async function keysUpdateCommand(
  invocation: Invocation,
  options: RegistryOption,
): Promise<number> {
  const { registries, npm, registry } = await placeOf(invocation, options)
  const { env } = invocation.terminal
  const { signal } = invocation
  const answer = await fetchRegistryKeys({ registries, npm, env }, registry, { signal })
  const keys = parseRegistryKeys(answer, registry)
  return takeOver(invocation, keys, { ...options, replace: false, dropPinned: false })
}

async function takeOver(
  invocation: Invocation,
  keys: readonly RegistryKey[],
  options: { registry?: string; replace: boolean; dropPinned: boolean },
): Promise<number> {
  const { terminal } = invocation
  const { config, path, registry } = await placeOf(invocation, options)
  const { replace, dropPinned } = options
  if (keys.length === 0 && !replace) {
    throw new CatalogError('INVALID_OPTIONS', 'there are no keys in it', {
      hint: `to say that ${registry} signs nothing, add --replace`,
    })
  }
  const merge = { registry, replace, dropPinned, now: new Date() }
  const { keyring, report } = mergeKeys(await readKeyring(path), keys, merge)
  await writeKeyring(path, keyring)
  if (config.json) terminal.print(JSON.stringify({ registry, keyring: path, ...report }))
  else for (const line of reportLines(registry, report)) terminal.print(line)
  return EXIT.ok
}

function reportLines(registry: string, report: MergeReport): string[] {
  const { added, expired, kept, dropped } = report
  const lines = [
    ...added.map((keyid) => `new      ${keyid}`),
    ...expired.map((keyid) => `expired  ${keyid}`),
    ...kept.map((keyid) => `kept     ${keyid} (not among them)`),
    ...dropped.map((keyid) => `dropped  ${keyid}`),
  ]
  const changes = added.length + expired.length + dropped.length
  return [...lines, `${registry}: ${changes === 0 ? 'nothing new' : plural(changes, 'change')}`]
}

function lifeOf(expires: string | null): string {
  if (expires === null) return 'in use'
  const verb = Date.parse(expires) <= Date.now() ? 'ended' : 'until'
  return `${verb} ${expires.slice(0, 10)}`
}

async function placeOf(invocation: Invocation, options: RegistryOption) {
  const config = loadConfig(invocation)
  const { registries, npm } = await configuredRegistries(invocation, config)
  const registry =
    options.registry === undefined
      ? registries.homeOf(undefined).url
      : normalRegistry(options.registry)
  return { config, npm, registries, registry, path: pathOf(config) }
}

function pathOf(config: Config): string {
  return config.gateway.keyringPath ?? keyringPath(defaultConfigFolder())
}

function normalRegistry(given: string): string {
  if (!URL.canParse(given) || !/^https?:$/.test(new URL(given).protocol)) {
    throw new CatalogError(
      'INVALID_OPTIONS',
      `--registry: expected an http or https URL, got "${given}"`,
    )
  }
  const { origin, pathname } = new URL(given)
  return `${origin}${pathname.replace(/\/*$/, '/')}`
}

async function readJsonFile({ terminal }: Invocation, file: string): Promise<unknown> {
  const where = file === '-' ? 'standard input' : file
  try {
    const content =
      file === '-' ? await text(process.stdin) : await readFile(resolve(terminal.cwd, file), 'utf8')
    if (content.length > MAX_BYTES) throw new Error('longer than 1 MiB')
    return JSON.parse(content) as unknown
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new CatalogError('INVALID_OPTIONS', `${where}: can't be read: ${why}`, { cause: error })
  }
}
