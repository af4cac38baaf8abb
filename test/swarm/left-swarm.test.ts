/**
 * A machine that leaves one private swarm and joins another with the same store: members of the second learn nothing of what was
 * published in the first (no list of versions, no name, no byte), and in the first all is as it was when it comes back.
 */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  createSwarmKey,
  swarmNamesOf,
  type CatalogNode,
  type PublishInput,
  type SwarmState,
} from '@catalog-p2p/core'
import { expect, test } from 'vitest'
import { openStoredVisibility } from '../../gateway/src/artifacts/visibility/stored-visibility.ts'
import { createWorkspace } from '../support/client.ts'
import { silentLogger } from '../../core/src/log.ts'
import { meet, quietNode, startMachine, type Machine } from '../support/machines/machine.ts'
import { ann, annsKey } from '../support/machines/network-machine.ts'
import { bytesOf, packageOf, signalOf } from '../support/registries/publishing.ts'

const NAME = '@acme/tool'
const UPSTREAM = 'http://127.0.0.1:9/'
const published = { name: NAME, publisher: ann }
const stateOf = (name: string): SwarmState => ({ name, keys: [{ key: createSwarmKey() }] })

/** As the daemon starts it: what is public is judged before anybody is met. */
async function start(store: string, swarm: SwarmState): Promise<Machine> {
  await mkdir(store, { recursive: true })
  const trustPath = join(store, 'trust.txt')
  await writeFile(trustPath, `@acme key ${ann}\n`, { mode: 0o600 })
  const rules = { privateScopes: [], publicRegistries: [UPSTREAM], shareScopes: [] }
  const visibility = await openStoredVisibility(
    { log: silentLogger },
    { path: store, rules: { ...rules, swarms: swarmNamesOf(swarm) } },
  )
  const node = await quietNode(
    { store: { path: store }, network: { dht: true, bootstrapServer: true } },
    {
      ...{ swarm: { state: () => swarm }, trustsPublisher: ({ publisher }) => publisher === ann },
      ...(visibility.judge && { judgeVisibility: visibility.judge }),
    },
  )
  visibility.accept()
  visibility.close()
  const options = { node, peersOnly: true, upstream: UPSTREAM, cachePath: store }
  const machine = await startMachine({ ...options, gateway: { trustPath } })
  return {
    ...machine,
    async [Symbol.asyncDispose]() {
      await machine[Symbol.asyncDispose]()
      await node.close()
    },
  }
}

async function search({ url }: Machine, text: string): Promise<object[]> {
  const response = await fetch(`${url}/-/v1/search?text=${text}`)
  return ((await response.json()) as { objects: object[] }).objects
}

const head = (node: CatalogNode) =>
  node.publications.head(published, { ...signalOf(), maxAgeMs: 0 })

/** A package, and a second list of its versions. What the second list is newer than. */
async function publish(store: string, swarm: SwarmState, input: PublishInput) {
  await using machine = await start(store, swarm)
  const { publications } = machine.node
  const { release } = await publications.publish(input, annsKey, signalOf())
  await fetch(`${machine.url}/${NAME}`)
  expect(await search(machine, 'hammer')).toHaveLength(1)
  const old = publications.offered(published) ?? new Uint8Array()
  const change = { deprecations: { '1.0.0': 'old' } }
  await publications.change(NAME, change, { key: annsKey, ...signalOf() })
  return { digest: release.digest, old }
}

test(
  'what was published in one swarm is nothing to another, and is all there on return',
  { tags: ['long'] },
  async () => {
    await using workspace = await createWorkspace()
    const [store, ofB, ofA] = await Promise.all(
      ['m', 'b', 'a'].map((name) => workspace.folder(name)),
    )
    const [a, b] = [stateOf('a'), stateOf('b')]
    const manifest = JSON.stringify({ name: NAME, version: '1.0.0', description: 'a hammer' })
    const input = packageOf(NAME, '1.0.0', { manifest })
    const { digest, old } = await publish(store ?? '', a, input)
    {
      await using machine = await start(store ?? '', b)
      await using member = await start(ofB ?? '', b)
      const marker = await machine.node.put(Buffer.from('for the second swarm'))
      await meet(member.node, machine.node, 1)
      expect(await bytesOf(member.node, marker)).toEqual(Buffer.from('for the second swarm'))
      expect(member.node.peers()).toMatchObject([{ artifacts: 1, names: 0 }])
      expect(await head(member.node)).toBeUndefined()
      expect(await search(member, 'hammer')).toEqual([])
      await expect(member.node.get(digest, signalOf(2_000))).rejects.toThrow()
      expect(machine.node.publications.own()).toEqual([])
      expect((await fetch(`${machine.url}/${NAME}`)).status).toBe(404)
    }
    // Nothing of it is in what the member has kept: peers, DHT records, lists of versions.
    for (const file of await readdir(ofB ?? '', { recursive: true, withFileTypes: true })) {
      if (!file.isFile() || file.name === 'trust.txt') continue
      expect((await readFile(join(file.parentPath, file.name))).includes(NAME), file.name).toBe(
        false,
      )
    }
    {
      await using machine = await start(store ?? '', a)
      await using member = await start(ofA ?? '', a)
      await meet(member.node, machine.node, 2)
      expect(await head(member.node)).toMatchObject({ sequence: 2 })
      expect(Buffer.compare(await bytesOf(member.node, digest), input.tarball)).toBe(0)
      expect(await search(member, 'hammer')).toHaveLength(1)
      // A rollback is none.
      expect(machine.node.publications.take(published, old)).toMatchObject({ sequence: 2 })
      const next = packageOf(NAME, '1.1.0')
      const { head: newest } = await machine.node.publications.publish(next, annsKey, signalOf())
      expect([newest.sequence, ...newest.releases.keys()]).toEqual([3, '1.0.0', '1.1.0'])
    }
  },
)
