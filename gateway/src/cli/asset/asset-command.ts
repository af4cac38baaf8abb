/** `catalog info`, `catalog get`: one version of a package, wherever it comes from, found by the daemon and checked here again. */
import { createHash } from 'node:crypto'
import { open, rm } from 'node:fs/promises'
import { resolve } from 'node:path'
import { CatalogError, errnoOf } from '@catalog-p2p/core'
import type { DaemonClient } from '../../admin/daemon-client.ts'
import { parseAsset } from '../../assets/parse-asset.ts'
import type { AssetInfo } from '../../assets/resolve-asset.ts'
import { EXIT } from '../shell/exit-codes.ts'
import { formatBytes } from '../shell/format.ts'
import { loadConfig, requireDaemon, type Invocation } from '../shell/invocation.ts'

export async function infoCommand(invocation: Invocation, asset: string): Promise<number> {
  const { terminal, signal } = invocation
  parseAsset(asset)
  const config = loadConfig(invocation)
  const info = await askInfo(await requireDaemon(config), asset, signal)
  if (config.json) terminal.print(JSON.stringify(info))
  else for (const line of linesOf(info)) terminal.print(line)
  return EXIT.ok
}

export async function getCommand(
  invocation: Invocation,
  { asset, output }: { readonly asset: string; readonly output: string | undefined },
): Promise<number> {
  const { terminal, signal } = invocation
  parseAsset(asset)
  const config = loadConfig(invocation)
  const daemon = await requireDaemon(config)
  const info = await askInfo(daemon, asset, signal)
  const { name, version } = info
  const file = output ?? `${name.replace('@', '').replace('/', '-')}-${version}.tgz`
  const path = resolve(terminal.cwd, file)
  const response = await ask(daemon, { action: 'bytes', asset: info.assetId, signal })
  await save(response, { path, info })
  if (config.json) terminal.print(JSON.stringify({ ...info, path }))
  else terminal.print(`${path}: ${info.assetId}, ${formatBytes(info.size)}`)
  return EXIT.ok
}

/** Never over a file that is there, and none is left that is not what it should be. */
async function save(
  response: Response,
  { path, info }: { readonly path: string; readonly info: AssetInfo },
): Promise<void> {
  const file = await open(path, 'wx').catch((error: unknown) => {
    if (errnoOf(error) !== 'EEXIST') throw error
    throw new CatalogError('INVALID_OPTIONS', `${path} is there already`, {
      hint: 'name another file with --output',
    })
  })
  const hash = createHash('sha512')
  try {
    const body: AsyncIterable<Uint8Array> | null = response.body
    for await (const chunk of body ?? []) {
      hash.update(chunk)
      await file.writeFile(chunk)
    }
    await file.close()
    if (`sha512-${hash.digest('base64')}` === info.digest) return
    throw new CatalogError('DIGEST_MISMATCH', `the daemon gave other bytes than ${info.digest}`)
  } catch (error) {
    await file.close().catch(() => undefined) // it was closed before
    await rm(path, { force: true })
    throw error
  }
}

async function askInfo(
  daemon: DaemonClient,
  asset: string,
  signal: AbortSignal,
): Promise<AssetInfo> {
  const response = await ask(daemon, { action: 'info', asset, signal })
  return (await response.json()) as AssetInfo
}

async function ask(
  { url, info }: DaemonClient,
  question: {
    readonly action: 'info' | 'bytes'
    readonly asset: string
    readonly signal: AbortSignal
  },
): Promise<Response> {
  if (info === undefined) {
    throw new CatalogError(
      'DAEMON_NOT_RUNNING',
      `the catalog at ${url} uses another store folder`,
      {
        hint: 'name its folder with --store (or CATALOG_STORE, or in the config file)',
      },
    )
  }
  const { action, asset, signal } = question
  const response = await fetch(new URL(`-/catalog/asset/${action}`, url), {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-catalog-token': info.token },
    body: JSON.stringify({ asset }),
    signal,
  })
  if (response.ok) return response
  const said = (await response.json().catch(() => undefined)) as { error?: unknown } | undefined
  const words = typeof said?.error === 'string' ? said.error : `HTTP ${response.status}`
  const code = response.status === 404 ? 'NOT_FOUND' : 'DAEMON_FAILED'
  throw new CatalogError(code, words, { status: response.status })
}

function linesOf(info: AssetInfo): string[] {
  const { publisher, publishedAtMs, deprecated } = info
  return [
    `${info.name}@${info.version}`,
    `asset      ${info.assetId}`,
    `integrity  ${info.digest}`,
    `size       ${formatBytes(info.size)}`,
    `from       ${publisher === null ? 'its registry' : `publisher ${publisher}`}`,
    ...(publishedAtMs === null ? [] : [`published  ${new Date(publishedAtMs).toISOString()}`]),
    ...(deprecated === null ? [] : [`deprecated ${deprecated}`]),
  ]
}
