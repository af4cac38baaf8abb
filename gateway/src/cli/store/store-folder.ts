/**
 * The store of a daemon that runs, or of one that does not: then its folder is opened here, without any network. One
 * interface, so that `catalog store` does not care.
 */
import { createNode, parseDigest, type CatalogNode } from '@catalog-p2p/core'
import type { PruneReport, VerifyReport } from '@catalog-p2p/core'
import type { Config } from '../../config/resolve.ts'
import { findDaemon } from '../../admin/daemon-client.ts'
import { portOf } from '../shell/invocation.ts'

type Usage = ReturnType<CatalogNode['stats']>['store']

export interface StoreFolder extends AsyncDisposable {
  /** The registry URL of the daemon that it belongs to; undefined: opened here. */
  readonly daemonUrl: string | undefined
  usage(): Promise<Usage>
  verify(onProgress: (checked: number, total: number) => void): Promise<VerifyReport>
  prune(targetBytes: number | undefined): Promise<PruneReport>
  pin(digests: readonly string[], pinned: boolean): Promise<PinReport>
}

export interface PinReport {
  readonly changed: number
  readonly missing: readonly string[]
}

/** @throws CatalogError STORE_LOCKED when a process that is no daemon of ours has it open */
export async function openStoreFolder(config: Config, signal: AbortSignal): Promise<StoreFolder> {
  const daemon = await findDaemon(config.storePath, portOf(config))
  // One that was found by its port has another folder: not the one that is meant.
  if (daemon?.info !== undefined) {
    return {
      daemonUrl: daemon.url,
      usage: async () => (await daemon.status({ signal })).node.store,
      verify: () => daemon.verify({ signal }),
      prune: (targetBytes) =>
        daemon.prune({ signal, ...(targetBytes !== undefined && { targetBytes }) }),
      pin: (digests, pinned) => daemon.pin(digests, { pinned, signal }),
      [Symbol.asyncDispose]: async () => undefined,
    }
  }
  const node = await createNode({ ...config.node, network: UNREACHABLE })
  return {
    daemonUrl: undefined,
    usage: async () => node.stats().store,
    verify: (onProgress) => node.verify({ signal, onProgress }),
    prune: (targetBytes) =>
      node.prune({ signal, ...(targetBytes !== undefined && { targetBytes }) }),
    pin: (digests, pinned) => pin(node, digests, pinned),
    [Symbol.asyncDispose]: () => node.close(),
  }
}

/** A node needs one transport at least; this one meets nobody. */
const UNREACHABLE = {
  loopbackOnly: true,
  port: 0,
  quic: false,
  carrier: false,
  mdns: false,
  dht: false,
  peerExchange: false,
  upnp: false,
  relayClient: false,
} as const

async function pin(
  node: CatalogNode,
  digests: readonly string[],
  pinned: boolean,
): Promise<PinReport> {
  const missing: string[] = []
  let changed = 0
  for (const text of digests) {
    if (await node.pin(parseDigest(text), pinned)) changed += 1
    else missing.push(text)
  }
  return { changed, missing }
}
