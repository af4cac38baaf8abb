/** Machines with no registry behind them that trust one publisher for @acme, over real QUIC; gone when the test ends. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach } from 'vitest'
import { keyIdOf, type CatalogNode, type HybridKey, type NodeOptions } from '@catalog-p2p/core'
import type { GatewayOptions } from '@catalog-p2p/gateway'
import { toKeyFile } from '../../../gateway/src/publisher-keys/key-file.ts'
import { openKeyFolder } from '../../../gateway/src/publisher-keys/key-folder.ts'
import { quietNode, startMachine, type Machine } from './machine.ts'
import { keyOf } from '../registries/publishing.ts'

export const TOKEN = 'catalog_a-token-for-tests-only'
/** Of build tools, which may do nothing else. */
export const BUILD_TOKEN = 'catalog_a-token-for-builds-only'
/** Of each machine, for what its owner alone may do. */
export const ADMIN_TOKEN = 'an-admin-token-for-tests-only'
export const annsKey = keyOf('ann')
export const ann = keyIdOf(annsKey.publicKey)

export interface NetworkMachines extends AsyncDisposable {
  readonly folder: string
  readonly machines: readonly Machine[]
  /** It trusts Ann for @acme, and holds the key if it is given one. */
  machine(
    name: string,
    own?: HybridKey,
    options?: {
      readonly node?: NodeOptions
      readonly trust?: string
      readonly gateway?: GatewayOptions
    },
  ): Promise<Machine>
  /** A folder with these two files. */
  project(name: string, manifest: object): Promise<string>
}

/** Machines anew for each test of the file that calls it. */
export function machinesOfEachTest(): Omit<NetworkMachines, typeof Symbol.asyncDispose> {
  let current: NetworkMachines | undefined
  const now = (): NetworkMachines => {
    if (current === undefined) throw new Error('there are machines within a test only')
    return current
  }
  beforeEach(async () => {
    current = await networkMachines()
  })
  afterEach(() => current?.[Symbol.asyncDispose]())
  return {
    get folder() {
      return now().folder
    },
    get machines() {
      return now().machines
    },
    machine: (...args) => now().machine(...args),
    project: (...args) => now().project(...args),
  }
}

export async function networkMachines(): Promise<NetworkMachines> {
  const folder = await mkdtemp(join(tmpdir(), 'catalog-publish-'))
  const machines: Machine[] = []
  const nodes: CatalogNode[] = []

  return {
    ...{ folder, machines },
    async machine(name, own, options = {}) {
      const { node: nodeOptions = {}, trust = `@acme key ${ann}\n`, gateway } = options
      const config = join(folder, name)
      await mkdir(config, { recursive: true })
      const trustPath = join(config, 'trust.txt')
      await writeFile(trustPath, trust, { mode: 0o600 })
      if (own !== undefined) {
        const file = await toKeyFile(own, { passphrase: undefined, createdAt: new Date() })
        await openKeyFolder(config).add('default', file)
      }
      const node = await quietNode(nodeOptions, {
        trustsPublisher: ({ publisher }) => publisher === ann,
      })
      nodes.push(node)
      const made = await startMachine({
        ...{ node, peersOnly: true, upstream: 'http://127.0.0.1:9/' },
        gateway: {
          ...{ trustPath, keyFolderPath: config },
          ...{ publishToken: TOKEN, buildToken: BUILD_TOKEN, adminToken: ADMIN_TOKEN, ...gateway },
        },
      })
      machines.push(made)
      return made
    },
    async project(name, manifest) {
      const cwd = join(folder, name)
      await mkdir(cwd, { recursive: true })
      await writeFile(join(cwd, 'package.json'), JSON.stringify(manifest))
      await writeFile(join(cwd, 'index.js'), 'module.exports = 42\n')
      return cwd
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(machines.map((machine) => machine[Symbol.asyncDispose]()))
      await Promise.all(nodes.map((node) => node.close()))
      await rm(folder, { recursive: true, force: true })
    },
  }
}
