/**
 * A whole daemon without its command line: a real node with real QUIC, and a gateway on it, on
 * loopback, with nothing of the user's configuration and no way of finding peers but being told.
 */
import {
  createNode,
  type CatalogNode,
  type NodeDependencies,
  type NodeOptions,
} from '@catalog-p2p/core'
import {
  createEvidenceVerifier,
  createGateway,
  npmConfigFrom,
  type Gateway,
  type GatewayOptions,
} from '@catalog-p2p/gateway'
import { vi } from 'vitest'

export interface Machine extends AsyncDisposable {
  readonly node: CatalogNode
  readonly gateway: Gateway
  readonly port: number
  /** The registry that clients use, no trailing slash. */
  readonly url: string
}

export interface MachineOptions {
  readonly upstream: string
  /** The gateway's; any free one by default. */
  readonly port?: number
  /** A node that is there already; it is then the caller's to close. */
  readonly node?: CatalogNode
  /** The registry is never asked. */
  readonly peersOnly?: boolean
  /** Keys of registries; npm's pinned ones by default. */
  readonly keyringPath?: string
  readonly privateScopes?: readonly string[]
  /** It shares what the registry sends with machines beside it; false by default. */
  readonly fleet?: boolean
  /** Folder for metadata; in memory by default. */
  readonly cachePath?: string
  /** The gateway's other options. */
  readonly gateway?: GatewayOptions
}

const MEET_TIMEOUT_MS = 20_000

/** Every kind of automatic discovery off, and everybody asks the registry for themselves. */
export function quietNode(
  options: NodeOptions = {},
  deps: NodeDependencies = {},
): Promise<CatalogNode> {
  const off = { mdns: false, dht: false, upnp: false, relayClient: false }
  const network = { ...off, loopbackOnly: true, port: 0, ...options.network }
  const transfer = { fleet: false, ...options.transfer }
  return createNode({ ...options, network, transfer }, deps)
}

export async function startMachine(options: MachineOptions): Promise<Machine> {
  const { keyringPath } = options
  const verifyEvidence = createEvidenceVerifier({ log: quiet }, { keyringPath })
  const transfer = { fleet: options.fleet ?? false }
  const node = options.node ?? (await quietNode({ transfer }, { verifyEvidence }))
  const closeNode = async (): Promise<void> => {
    if (options.node === undefined) await node.close()
  }
  const { upstream, port = 0, cachePath, privateScopes = [], peersOnly = false } = options
  const gateway = createGateway(
    { node, log: quiet, npmConfig: npmConfigFrom({ registry: upstream }) },
    {
      ...{ port, addresses: ['127.0.0.1'], publicRegistries: [upstream] },
      upstream: peersOnly ? null : upstream,
      privateScopes: [...privateScopes],
      ...options.gateway,
      ...(cachePath !== undefined && { cachePath }),
      ...(keyringPath !== undefined && { keyringPath }),
    },
  )
  try {
    const started = await gateway.start()
    return {
      node,
      gateway,
      port: started.port,
      url: `http://127.0.0.1:${started.port}`,
      async [Symbol.asyncDispose]() {
        await gateway.stop()
        await closeNode()
      },
    }
  } catch (error) {
    await closeNode()
    throw error
  }
}

/** Connects `from` to `to` over QUIC, and waits until it has heard of at least so many artifacts there. */
export async function meet(from: CatalogNode, to: CatalogNode, artifacts: number): Promise<void> {
  const address = to.stats().addresses.find((each) => each.includes('/quic-v1'))
  if (address === undefined) throw new Error(`no QUIC address in ${to.stats().addresses.join()}`)
  await from.connect(address)
  const isReady = (): void => {
    const heard = from.peers().find((each) => each.peer === to.id)?.artifacts ?? 0
    if (heard < artifacts) throw new Error(`heard of ${heard} artifacts out of ${artifacts}`)
  }
  await vi.waitFor(isReady, { timeout: MEET_TIMEOUT_MS, interval: 20 })
}

const drop = (): void => undefined
const quiet = { debug: drop, info: drop, warn: drop, error: drop }
