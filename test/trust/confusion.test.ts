/**
 * Dependency confusion with every package manager: a package of a scope that is the network's is published at the registry too,
 * by somebody else. No client gets it, whether fresh or by a lockfile that was made before the scope was bound, with the squatter's
 * package in the store and its metadata in the cache; and the registry hears nothing.
 */
import { access, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { keyIdFromBytes } from '@catalog-p2p/core'
import { withEntry } from '../../gateway/src/trust/trust-entries.ts'
import { changeTrustFile, trustFilePath } from '../../gateway/src/trust/trust-file.ts'
import { createWorkspace, runClient, type ClientResult, type Workspace } from '../support/client.ts'
import {
  clients,
  tagsOf,
  whyUnavailable,
  type Client,
  type ClientName,
} from '../support/clients.ts'
import { makePackage } from '../support/fixture-packages.ts'
import { quietNode, startMachine, type Machine } from '../support/machines/machine.ts'
import { startRegistry, type LoopbackRegistry } from '../support/registries/registry.ts'

const TRIED: readonly ClientName[] = [
  'npm-12',
  'pnpm-10',
  'pnpm-12',
  'yarn-1',
  'yarn-4',
  'bun',
  'deno',
]
/** The others take a minute together. */
const ALWAYS: readonly ClientName[] = ['npm-12']
const squatted = makePackage('@acme/tool', '1.0.0')
const plain = makePackage('fx-plain', '1.0.0')
const project = {
  ...{ name: 'confused', version: '1.0.0' },
  dependencies: { '@acme/tool': '^1.0.0', 'fx-plain': '^1.0.0' },
}
/** Of one install. */
const TIMEOUT_MS = 60_000

let workspace: Workspace
let registry: LoopbackRegistry
let trustPath: string
let boundPath: string

beforeAll(async () => {
  workspace = await createWorkspace()
  registry = await startRegistry({ packages: [squatted, plain] })
  trustPath = trustFilePath(await workspace.folder('nobody'))
  boundPath = trustFilePath(await workspace.folder('acme'))
  const id = keyIdFromBytes(new Uint8Array(32).fill(1))
  const entry = { subject: '@acme', kind: 'key', id, how: 'added', comment: '' } as const
  await changeTrustFile(boundPath, (text) => withEntry(text, entry))
})

afterAll(async () => {
  await registry.stop()
  await workspace[Symbol.asyncDispose]()
})

interface Installed {
  readonly result: ClientResult
  readonly hasTool: boolean
  readonly lockfile: string | undefined
}

async function install(client: Client, machine: Machine, lockfile?: string): Promise<Installed> {
  const cwd = await workspace.folder('project')
  const home = await workspace.folder('home')
  await writeFile(join(cwd, 'package.json'), JSON.stringify(project))
  if (lockfile !== undefined) await writeFile(join(cwd, client.lockfile), lockfile)
  const args = lockfile === undefined ? client.install : client.frozen
  const result = await runClient(client.name, args, {
    ...{ cwd, home, registry: machine.url, timeoutMs: TIMEOUT_MS },
    env: { npm_config_fetch_retries: '0', pnpm_config_fetch_retries: '0', YARN_HTTP_RETRY: '0' },
  })
  const manifest = join(cwd, 'node_modules', '@acme', 'tool', 'package.json')
  const hasTool = await access(manifest).then(
    () => true,
    () => false,
  )
  const made = await readFile(join(cwd, client.lockfile), 'utf8').catch(() => undefined)
  return { result, hasTool, lockfile: made }
}

for (const client of clients.filter(({ name }) => TRIED.includes(name))) {
  const tags = [...tagsOf(client.name), ...(ALWAYS.includes(client.name) ? [] : ['long'])]
  describe(client.name, { tags: [...new Set(tags)] }, () => {
    test('gets the squatted package before the scope is bound, and never after', async ({
      skip,
    }) => {
      const unavailable = whyUnavailable(client)
      if (unavailable !== undefined) skip(unavailable)
      const cachePath = await workspace.folder('metadata')
      await using node = await quietNode()
      const common = { upstream: registry.url, node, cachePath }
      const before = await startMachine({ ...common, gateway: { trustPath } })
      const { port } = before
      const first = await install(client, before)
      expect(first.hasTool, first.result.output).toBe(true)
      await before[Symbol.asyncDispose]()
      const asked = registry.requests.length

      // The same port, store and metadata: only the trust file is another.
      await using after = await startMachine({ ...common, port, gateway: { trustPath: boundPath } })
      for (const lockfile of [undefined, first.lockfile]) {
        const { result, hasTool } = await install(client, after, lockfile)
        expect(result.exitCode, result.output).not.toBe(0)
        expect(hasTool).toBe(false)
      }
      const heard = registry.requests.slice(asked).filter((each) => each.path.includes('acme'))
      expect(heard).toEqual([])
    })
  })
}
