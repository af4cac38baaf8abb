/** `catalog info` and `catalog get` at a daemon: packages of the network by name and by Asset ID, from another machine. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { keyIdOf } from '@catalog-p2p/core'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createTrustsPublisher } from '../../gateway/src/trust/trusts-publisher.ts'
import type { AssetInfo } from '../../gateway/src/assets/resolve-asset.ts'
import { fixturePackages } from '../support/fixture-packages.ts'
import { meet, quietNode, startMachine, type Machine } from '../support/machines/machine.ts'
import { keyOf, packageOf, signalOf } from '../support/registries/publishing.ts'
import { startRegistry, type LoopbackRegistry } from '../support/registries/registry.ts'

const TOKEN = 'the-admin-token-of-this-test'
const key = keyOf('ann')
const publisher = keyIdOf(key.publicKey)

let folder: string
let registry: LoopbackRegistry
const machines: AsyncDisposable[] = []
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'catalog-assets-'))
  registry = await startRegistry({ packages: fixturePackages().slice(0, 2), tarballs: 'self' })
})
afterEach(async () => {
  for (const machine of machines.splice(0).reverse()) await machine[Symbol.asyncDispose]()
  await registry[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

async function ask({ url }: Machine, action: string, asset: string): Promise<Response> {
  return await fetch(`${url}/-/catalog/asset/${action}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-catalog-token': TOKEN },
    body: JSON.stringify({ asset }),
  })
}

test('a published version is found by name, by version and by its Asset ID, and comes whole', async () => {
  const trustPath = join(folder, 'trust')
  await writeFile(trustPath, `@acme key ${publisher}\n`, { mode: 0o600 })
  const author = await quietNode()
  machines.push(author)
  const input = packageOf('@acme/tool', '1.2.3')
  const { assetId, release } = await author.publications.publish(input, key, signalOf())

  const node = await quietNode({}, { trustsPublisher: createTrustsPublisher(trustPath) })
  machines.push(node)
  const machine = await startMachine({
    ...{ upstream: registry.url, node },
    gateway: { adminToken: TOKEN, trustPath },
  })
  machines.push(machine)
  await meet(node, author, 2)

  const { root, digest, size } = release
  const hex = Buffer.from(root).toString('hex')
  for (const asset of ['@acme/tool', '@acme/tool@1.2.3', assetId]) {
    const info = (await (await ask(machine, 'info', asset)).json()) as AssetInfo
    expect(info).toMatchObject({ assetId, digest, size, publisher, root: hex })
  }
  const bytes = await (await ask(machine, 'bytes', assetId)).arrayBuffer()
  expect(Buffer.compare(Buffer.from(bytes), input.tarball)).toBe(0)

  const wrong = await ask(
    machine,
    'info',
    assetId.replace(/.$/, (last) => (last === '0' ? '1' : '0')),
  )
  expect(wrong.ok).toBe(false)
  expect(((await wrong.json()) as { error: string }).error).toContain('has the root')
  expect((await ask(machine, 'info', '@acme/other')).status).toBe(404)
  expect((await ask(machine, 'info', 'not a name')).status).toBe(400)
  expect(registry.requests.filter(({ path }) => path.includes('acme'))).toEqual([])
})

test("a registry's version has an Asset ID too", async () => {
  const machine = await startMachine({ upstream: registry.url, gateway: { adminToken: TOKEN } })
  machines.push(machine)
  const [first] = fixturePackages()
  if (first === undefined) throw new Error('no package')
  const name = `${first.name}@${first.version}`
  const info = (await (await ask(machine, 'info', name)).json()) as AssetInfo
  expect(info).toMatchObject({ digest: first.integrity, publisher: null })
  expect(info.assetId).toMatch(/^catalog:.+:[0-9a-f]{64}$/)
  expect((await ask(machine, 'info', info.assetId)).status).toBe(200)
})
