/** Searches find packages of the network, as their trusted publishers describe them. */
import { keyIdOf } from '@catalog-p2p/core'
import { expect, test } from 'vitest'
import { meet, type Machine } from '../support/machines/machine.ts'
import { annsKey, machinesOfEachTest } from '../support/machines/network-machine.ts'
import { keyOf, packageOf, signalOf } from '../support/registries/publishing.ts'

const NAME = '@acme/tool'

const world = machinesOfEachTest()

async function publish({ node, url }: Machine, key = annsKey): Promise<void> {
  const about = { description: 'a hammer for nails', keywords: ['nails'] }
  const manifest = JSON.stringify({ name: NAME, version: '1.0.0', ...about })
  await node.publications.publish(packageOf(NAME, '1.0.0', { manifest }), key, signalOf())
  await fetch(`${url}/${NAME}`)
}

async function search({ url }: Machine, text: string): Promise<object[]> {
  const response = await fetch(`${url}/-/v1/search?text=${text}`)
  const { objects } = (await response.json()) as { objects: object[] }
  return objects
}

test('what is published here is found here, and by whoever trusts its publisher and is connected', async () => {
  const [here, there] = [await world.machine('here', annsKey), await world.machine('there')]
  await publish(here)
  const shown = { name: NAME, version: '1.0.0', description: 'a hammer for nails' }
  const found = [{ package: shown, catalog: { source: 'local', known: true } }]
  expect(await search(here, 'hammer')).toMatchObject(found)
  expect(await search(there, 'hammer')).toEqual([])
  await meet(there.node, here.node, 0)
  expect(await search(there, 'hammer')).toMatchObject(found)
  const stranger = await world.machine('stranger', undefined, { trust: '' })
  await meet(stranger.node, here.node, 0)
  expect(await search(stranger, 'nails')).toMatchObject([
    { package: shown, catalog: { source: 'peer', known: false } },
  ])
})

test('what somebody else publishes under a trusted name is not found', async () => {
  const bob = keyOf('bob')
  const trust = `@acme key ${keyIdOf(bob.publicKey)}\n`
  const theirs = await world.machine('theirs', bob, { trust })
  const there = await world.machine('there')
  await publish(theirs, bob)
  expect(await search(theirs, 'hammer')).toHaveLength(1)
  await meet(there.node, theirs.node, 0)
  expect(await search(there, 'hammer')).toEqual([])
})
