/**
 * A store folder that can't be used at all must not keep the daemon from serving, nor from seeding: then artifacts stay in
 * memory. One that has something in it is left to the node, which serves that even where nothing may be written.
 */
import { randomBytes } from 'node:crypto'
import { readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolder, parseNodeOptions, type Logger, type NodeOptions } from '@catalog-p2p/core'

export interface StoreChoice {
  readonly node: NodeOptions
  /** Where the gateway keeps metadata; undefined: in memory. */
  readonly cachePath: string | undefined
}

export async function chooseStore(
  options: NodeOptions,
  storePath: string,
  log: Logger,
): Promise<StoreChoice> {
  const problem = await whyUnusable(storePath)
  if (problem === undefined) return { node: options, cachePath: storePath }
  log.warn('store.in-memory', {
    storePath,
    problem,
    hint: 'give this user the rights to the folder, or name another one with --store',
    effect: 'everything is kept in memory and forgotten at the end',
  })
  const { memoryBytes, replicaQuotaBytes } = parseNodeOptions(options).store
  // The quota is for a disk; memory has its own bound.
  const store = { memoryBytes, quotaBytes: memoryBytes, replicaQuotaBytes }
  const node = { ...options, store }
  return { node, cachePath: undefined }
}

async function whyUnusable(storePath: string): Promise<string | undefined> {
  const probe = join(storePath, `probe.${randomBytes(6).toString('hex')}.tmp`)
  try {
    await makeFolder(storePath)
    await writeFile(probe, '')
    await rm(probe, { force: true })
    return undefined
  } catch (error) {
    const held = await readdir(storePath).catch(() => []) // whatever the reason, it can't be used
    return held.length > 0 ? undefined : String(error)
  }
}
