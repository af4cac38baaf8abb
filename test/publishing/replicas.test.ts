/** What is published on one machine is kept by others that trust its publisher, over real QUIC, within bounds of their own. */
import { createHash } from 'node:crypto'
import type { Digest, NodeOptions } from '@catalog-p2p/core'
import { expect, test, vi } from 'vitest'
import { documentOf } from '../../gateway/src/cli/publish/document.ts'
import { REPLICAS } from '../../gateway/src/publishing/replica-messages.ts'
import { makePackage } from '../support/fixture-packages.ts'
import { meet, quietNode, type Machine } from '../support/machines/machine.ts'
import { ann, annsKey, machinesOfEachTest, TOKEN } from '../support/machines/network-machine.ts'
import { keyOf, packageOf, signalOf } from '../support/registries/publishing.ts'

const NAME = '@acme/tool'
const OTHER = '@acme/other'
const WAITING = { timeout: 20_000 }

const world = machinesOfEachTest()

/** What is said of it. */
async function publish(
  { url }: Machine,
  version: string,
  attached: object = {},
): Promise<string | null> {
  const document = await documentOf(makePackage(NAME, version).tarball, undefined)
  if ('_attachments' in document) Object.assign(document._attachments as object, attached)
  const response = await fetch(`${url}/@acme%2ftool`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${TOKEN}` },
    body: JSON.stringify(document),
  })
  expect(response.status).toBe(201)
  return response.headers.get('npm-notice')
}

async function versions({ url }: Machine): Promise<string[]> {
  const response = await fetch(`${url}/${NAME}`)
  const { versions: found = {} } = (await response.json()) as { versions?: object }
  return Object.keys(found)
}

function setTag({ url }: Machine, name = NAME): Promise<Response> {
  return fetch(`${url}/-/package/${name.replace('/', '%2f')}/dist-tags/next`, {
    ...{ method: 'PUT', body: '"1.0.0"' },
    headers: { 'content-type': 'application/json', authorization: `Bearer ${TOKEN}` },
  })
}

const retentions = ({ node }: Machine, digest: Digest) => node.entry(digest)?.retention

test('peers that trust its publisher keep it, and it is installed from them when the first has gone', async () => {
  const here = await world.machine('here', annsKey)
  const [second, third] = [await world.machine('second'), await world.machine('third')]
  const stranger = await world.machine('stranger', undefined, { trust: '' })
  for (const each of [second, third, stranger]) await meet(each.node, here.node, 0)
  expect(await publish(here, '1.0.0')).toContain('(kept by 2 machines besides this one)')
  // Its list of versions is then too large for the DHT.
  const tags = Array.from({ length: 100 }, (_, index) => [`t${index}${'-'.repeat(90)}`, '1.0.0'])
  const change = { tags: Object.fromEntries(tags) as Record<string, string> }
  await here.node.publications.change(NAME, change, { key: annsKey, ...signalOf() })
  expect(await publish(here, '1.1.0')).toContain('(kept by 2 machines besides this one)')
  expect(here.gateway.stats().replication).toEqual({ wanted: 3, packages: 1, short: 1 })
  expect(stranger.node.stats().store.artifacts).toBe(0)
  const head = second.node.publications.knownHead({ name: NAME, publisher: ann })
  const { statement } = head?.releases.get('1.1.0') ?? {}
  expect(statement && retentions(second, statement)).toBe('replica')
  expect(head && retentions(second, head.digest)).toBe('replica')

  await here.gateway.stop()
  await here.node.close()
  const late = await world.machine('late')
  await meet(late.node, second.node, 2)
  expect(await versions(late)).toEqual(['1.0.0', '1.1.0'])
  const tarball = await fetch(`${late.url}/${NAME}/-/tool-1.1.0.tgz`)
  expect(Buffer.from(await tarball.arrayBuffer())).toEqual(makePackage(NAME, '1.1.0').tarball)
})

test('what was published alone is kept by a peer that comes later, with its provenance', async () => {
  const here = await world.machine('here', annsKey)
  const sha512 = createHash('sha512').update(makePackage(NAME, '1.0.0').tarball).digest('hex')
  const predicateType = 'https://slsa.dev/provenance/v1'
  const statement = { predicateType, subject: [{ name: 'tool', digest: { sha512 } }] }
  const payload = Buffer.from(JSON.stringify(statement)).toString('base64')
  const bundle = { mediaType: 'bundle', dsseEnvelope: { payload, signatures: [] } }
  // As npm attaches it.
  const attached = { [`${NAME}-1.0.0.sigstore`]: { data: JSON.stringify(bundle) } }
  expect(await publish(here, '1.0.0', attached)).toContain('(only on this machine as yet)')
  const later = await world.machine('later')
  await meet(later.node, here.node, 0)
  const digest = (await here.node.publications.releases(ownHead(here), signalOf()))[0]?.digest
  await vi.waitFor(() => expect(digest && retentions(later, digest)).toBe('replica'), WAITING)
  const found = (await (await fetch(`${later.url}/${NAME}`)).json()) as Packument
  const { dist, ...fields } = found.versions['1.0.0'] ?? {}
  expect(Object.keys(fields)).not.toContain('_provenance')
  expect(dist?.attestations?.provenance).toEqual({ predicateType })
  const seen = await fetch(`${later.url}/-/package/@acme%2ftool/visibility`)
  expect(await seen.json()).toEqual({ public: true })
  const told = await fetch(`${dist?.attestations?.url}/?write=%`)
  expect(await told.json()).toEqual({ attestations: [{ predicateType, bundle }] })
})

interface Packument {
  readonly versions: Record<
    string,
    { dist?: { attestations?: { url: string; provenance: object } } }
  >
}

function ownHead({ node }: Machine) {
  const [head] = node.publications.own()
  if (head === undefined) throw new Error('nothing was published')
  return head
}

test('a peer that says it keeps it and does not costs a copy, and is not counted once it has gone', async () => {
  const here = await world.machine('here', annsKey)
  await using liar = await quietNode()
  liar.questions.answer(REPLICAS, { maxStreamsPerPeer: 1, answer: async () => true })
  await meet(liar, here.node, 0)
  expect(await publish(here, '1.0.0')).toContain('(kept by 1 machine besides this one)')
  const { gateway, node } = here
  const only = await world.machine('only')
  await meet(only.node, here.node, 0)
  const digest = (await node.publications.releases(ownHead(here), signalOf()))[0]?.digest
  await vi.waitFor(() => expect(digest && retentions(only, digest)).toBe('replica'), WAITING)
  await liar.close()
  await vi.waitFor(() => expect(node.peers()).toHaveLength(1), WAITING)
  expect(gateway.stats().replication).toEqual({ wanted: 3, packages: 1, short: 1 })
})

test('of a private scope no peer is told or asked, unless the swarm shares it', async () => {
  const options = { gateway: { privateScopes: ['@acme'] } }
  const here = await world.machine('here', annsKey, options)
  const [stranger, reader] = [
    await world.machine('stranger'),
    await world.machine('reader', undefined, options),
  ]
  const asked = vi.spyOn(reader.node.publications, 'head')
  for (const each of [stranger, reader]) await meet(each.node, here.node, 0)
  expect(await publish(here, '1.0.0')).toContain('(private: on this machine alone)')
  expect(await versions(here)).toEqual(['1.0.0'])
  expect(here.node.publications.told()).toEqual([])
  for (const each of [stranger, reader]) expect(await versions(each)).toEqual([])
  expect(await (await fetch(`${reader.url}/${NAME}`)).text()).toContain('is of a private scope')
  expect((await setTag(reader)).status).toBe(403) // it has no key
  expect(asked).not.toHaveBeenCalled()
  expect((await setTag(here)).headers.get('npm-notice')).toContain('(private: on this machine')
  // What was public before its scope was private is not changed as if nobody knew of it.
  const { publications } = here.node
  const open = await publications.publish(packageOf(OTHER, '1.0.0'), annsKey, signalOf())
  const refused = await setTag(here, OTHER)
  expect(refused.status).toBe(400)
  expect(await refused.text()).toContain('is public: nothing of it can be private')
  expect(publications.told()).toEqual([open.head])

  const swarm = { gateway: { ...options.gateway, shareScopes: ['@acme'] } }
  const member = await world.machine('member', annsKey, swarm)
  await meet(stranger.node, member.node, 0)
  expect(await publish(member, '1.0.0')).toContain('(kept by 1 machine besides this one)')
  const found = async ({ url }: Machine) => (await fetch(`${url}/-/v1/search?text=tool`)).text()
  expect(await found(member)).toContain(NAME)
  expect(await found(here)).not.toContain(NAME)
})

test('a peer with no space for replicas says so', async () => {
  const small: NodeOptions = { store: { replicaQuotaBytes: 1_000 } }
  const here = await world.machine('here', annsKey)
  await meet((await world.machine('small', undefined, { node: small })).node, here.node, 0)
  // Nor is the list looked for anew, at whoever may be silent: it has just been signed.
  const asked = vi.spyOn(here.node.publications, 'head')
  expect(await publish(here, '1.0.0')).toContain('(only on this machine as yet)')
  expect(asked).not.toHaveBeenCalled()
})

test('a head that somebody else has signed is misbehaviour', async () => {
  const [here, liar] = [await world.machine('here'), await world.machine('liar')]
  const bob = keyOf('bob')
  await liar.node.publications.publish(packageOf(NAME, '1.0.0'), bob, signalOf())
  const [own] = liar.node.publications.own()
  const head = own && liar.node.publications.offered(own)
  if (head === undefined) throw new Error('nothing was published')
  await meet(liar.node, here.node, 0)
  const request = { name: NAME, publisher: ann, head }
  const asking = liar.node.questions.ask(REPLICAS, { peer: here.node.id, request, ...signalOf() })
  await expect(asking).rejects.toThrow()
  expect(here.node.stats().misbehaviour).toBe(1)
  expect(here.node.publications.knownHead({ name: NAME, publisher: ann })).toBeUndefined()
})
