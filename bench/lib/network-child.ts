/** A machine of a network without a registry, as a child process: node and gateway; it trusts one key for @acme and for build results, and may hold it. */
import {
  createNode,
  importSecret,
  keyIdOf,
  type CatalogNode,
  type HybridKey,
  type NodeOptions,
} from '@catalog-p2p/core'
import {
  createGateway,
  npmConfigFrom,
  type Gateway,
  type GatewayOptions,
} from '@catalog-p2p/gateway'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { toKeyFile } from '../../gateway/src/publisher-keys/key-file.ts'
import { openKeyFolder } from '../../gateway/src/publisher-keys/key-folder.ts'
import { packTarball } from '../../test/support/tarball.ts'
import { answerCalls, cpuMs } from './child.ts'
import { countedChecks } from './counted-checks.ts'
import { benchLogger as log } from './logger.ts'

export interface NetworkMachineOptions {
  /** For its configuration. */
  readonly folder: string
  readonly node: NodeOptions
  /** Of the publisher. */
  readonly secret: Uint8Array
  readonly isPublisher: boolean
  readonly token: string
  readonly replication: number
  /** Beside these. */
  readonly gateway?: GatewayOptions
}

/** What a client needs to know to ask for it. */
export interface PublishedFile {
  readonly name: string
  readonly version: string
  readonly path: string
  readonly bytes: number
  readonly integrity: string
}

let node: CatalogNode | undefined
let gateway: Gateway | undefined
let key: HybridKey | undefined

function theNode(): CatalogNode {
  if (node === undefined) throw new Error('start first')
  return node
}

answerCalls(
  {
    async start(options: NetworkMachineOptions) {
      const { folder, isPublisher, token, replication } = options
      key = importSecret(options.secret)
      const publisher = keyIdOf(key.publicKey)
      await mkdir(folder, { recursive: true })
      const trustPath = join(folder, 'trust.txt')
      const trusted = `@acme key ${publisher}\n@build-results key ${publisher}\n`
      await writeFile(trustPath, trusted, { mode: 0o600 })
      if (isPublisher) {
        const file = await toKeyFile(key, { passphrase: undefined, createdAt: new Date() })
        await openKeyFolder(folder).add('default', file)
      }
      const trustsPublisher = (id: { readonly publisher: string }): boolean =>
        id.publisher === publisher
      node = await createNode(options.node, { log, trustsPublisher })
      gateway = createGateway(
        { node, log, npmConfig: npmConfigFrom({}) },
        {
          ...{ port: 0, addresses: ['127.0.0.1'], upstream: null, trustPath, replication },
          ...{ keyFolderPath: folder, publishToken: token, ...options.gateway },
        },
      )
      const { port } = await gateway.start()
      return { addresses: node.stats().addresses, port }
    },
    async connect(addresses: string[]) {
      for (const address of addresses) await theNode().connect(address)
    },
    /** Packages of @acme of these sizes, all at once: as they would be after a year of publishing. */
    async publishAll(sizes: number[]) {
      if (key === undefined) throw new Error('start first')
      const published: PublishedFile[] = []
      for (const [index, size] of sizes.entries()) {
        const [name, version] = [`@acme/package-${index}`, '1.0.0']
        const tarball = tarballOf(name, version, size)
        const manifest = JSON.stringify({ name, version })
        const input = { name, version, tarball, manifest, tags: ['latest'] }
        const signal = AbortSignal.timeout(60_000)
        const { release } = await theNode().publications.publish(input, key, { signal })
        const path = `${name}/-/package-${index}-${version}.tgz`
        const bytes = tarball.byteLength
        published.push({ name, version, path, bytes, integrity: release.digest })
      }
      return published
    },
    peers: () => theNode().peers(),
    cpu: () => cpuMs(),
    checks: () => countedChecks(),
  },
  async () => {
    await gateway?.stop()
    await node?.close()
  },
)

function tarballOf(name: string, version: string, size: number): Buffer {
  const content = Buffer.alloc(size)
  for (let at = 0; at < size; at += 1) content[at] = (at * 2_654_435_761) >>> 13
  return packTarball([
    { path: 'package.json', content: JSON.stringify({ name, version }) },
    { path: 'data', content },
  ])
}
