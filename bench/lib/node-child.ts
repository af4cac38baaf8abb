/** One Catalog node as a child process, with a gateway if there are options for one. */
import { createNode, parseDigest, type CatalogNode, type NodeOptions } from '@catalog-p2p/core'
import {
  createEvidenceVerifier,
  createGateway,
  npmConfigFrom,
  type Gateway,
  type GatewayOptions,
} from '@catalog-p2p/gateway'
import { createCipheriv } from 'node:crypto'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { answerCalls, cpuMs } from './child.ts'
import { countedChecks } from './counted-checks.ts'
import { benchLogger } from './logger.ts'

let node: CatalogNode | undefined
let gateway: Gateway | undefined
let loopDelay: ReturnType<typeof monitorEventLoopDelay> | undefined

function theNode(): CatalogNode {
  if (node === undefined) throw new Error('start first')
  return node
}

answerCalls(
  {
    async start(options: { node: NodeOptions; gateway?: GatewayOptions }) {
      const log = benchLogger
      const verifyEvidence = createEvidenceVerifier(
        { log },
        { keyringPath: options.gateway?.keyringPath },
      )
      node = await createNode(options.node, { log, verifyEvidence })
      if (options.gateway === undefined) return { addresses: node.stats().addresses }
      const { upstream } = options.gateway
      // What is measured is packages of npm's own registry, or of one that stands for it.
      const publicRegistries = typeof upstream === 'string' ? [upstream] : []
      const npmConfig = npmConfigFrom({})
      gateway = createGateway({ node, log, npmConfig }, { publicRegistries, ...options.gateway })
      const { port } = await gateway.start()
      return { addresses: node.stats().addresses, port }
    },
    async connect(addresses: string[]) {
      for (const address of addresses) await theNode().connect(address)
    },
    /** Incompressible bytes, the same for the same seed. */
    async putRandom({ bytes, seed }: { bytes: number; seed: number }) {
      const key = Buffer.alloc(16)
      key.writeUInt32BE(seed, 0)
      const cipher = createCipheriv('aes-128-ctr', key, Buffer.alloc(16))
      const data = cipher.update(Buffer.alloc(bytes))
      return await theNode().put(data)
    },
    put: (bytes: Uint8Array) => theNode().put(bytes),
    /** Gets and reads one artifact to its end. */
    async get(digest: string) {
      const cpuBefore = cpuMs()
      const startedMs = performance.now()
      const artifact = await theNode().get(parseDigest(digest))
      const getMs = performance.now() - startedMs
      let bytes = 0
      for await (const part of artifact.body) bytes += part.byteLength
      const ms = performance.now() - startedMs
      return { bytes, ms, getMs, cpuMs: cpuMs() - cpuBefore, source: artifact.source }
    },
    peers: () => theNode().peers(),
    stats: () => theNode().stats(),
    flush: () => theNode().flush(),
    cpu: () => cpuMs(),
    rss: () => process.memoryUsage.rss(),
    pid: () => process.pid,
    /** How late timers were since the last time this was asked for, milliseconds. */
    loopDelay() {
      loopDelay ??= monitorEventLoopDelay({ resolution: 1 })
      const [p99Ms, maxMs] = [loopDelay.percentile(99) / 1e6, loopDelay.max / 1e6]
      loopDelay.enable()
      loopDelay.reset()
      return { p99Ms, maxMs }
    },
    /** Of all threads; 0 where nobody counts (count-checks.ts). */
    checks: () => countedChecks(),
  },
  async () => {
    await gateway?.stop()
    await node?.close()
  },
)
