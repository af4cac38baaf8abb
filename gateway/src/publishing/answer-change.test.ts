/** What a change of a package withdraws, when a document of it does not hold all versions: nothing that the client was not shown. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { digestOf, keyIdOf, type Head, type Release } from '@catalog-p2p/core'
import { expect, onTestFinished, test, vi } from 'vitest'
import { createFakeNode } from '../../../test/support/fake-node.ts'
import { keyOf } from '../../../test/support/registries/publishing.ts'
import type { Exchange } from '../http/exchange.ts'
import { parseTarget } from '../http/request-target.ts'
import { sendError } from '../http/respond.ts'
import { originsBy } from '../trust/origin-of-name.ts'
import { answerChange } from './answer-change.ts'
import { parseChange } from './change-request.ts'
import { listingDocumentOf, packumentOf } from './network-packument.ts'
import { openNetwork, type Network } from './network.ts'

const NAME = '@acme/tool'
const key = keyOf('ann')
const publisher = keyIdOf(key.publicKey)
const SOME = digestOf(Buffer.from('some'))
const VERSIONS = ['1.0.0', '1.1.0', '2.0.0']
const { signal } = new AbortController()

const head: Head = {
  ...{ name: NAME, publisher, sequence: 3, digest: SOME, previous: SOME, changedAtMs: 1 },
  ...{ tags: new Map([['latest', '2.0.0']]), unpublished: [] },
  releases: new Map(VERSIONS.map((version) => [version, { statement: SOME }])),
}

/** Of which nobody gives 1.0.0 now. */
async function release(_: Head, version: string): Promise<Release | undefined> {
  if (version === '1.0.0') return undefined
  return {
    ...{ name: NAME, version, digest: SOME, size: 1, chunkSize: 65_536, root: new Uint8Array(32) },
    ...{ manifest: JSON.stringify({ name: NAME, version }), publishedAtMs: 1, publisher },
  }
}

async function world() {
  const change = vi.fn<Network['node']['publications']['change']>(async () => head)
  const fake = createFakeNode()
  const publications = { ...fake.publications, head: async () => head, release, change }
  const entry = { subject: '@acme', kind: 'key', id: publisher, how: 'added', comment: '' } as const
  const nothing = (): void => undefined
  const network: Network = {
    ...openNetwork(
      {
        node: { ...fake, publications },
        log: { debug: nothing, info: nothing, warn: nothing, error: nothing },
        trust: { originOf: originsBy([entry]) },
        ...{ gatewaySignatures: undefined, env: {}, localIndex: { note: nothing } },
      },
      {
        ...{ replication: 0, temporary: true, privateSwarm: false },
        ...{ privateScopes: [], shareScopes: [] },
      },
    ),
    ownKeys: { keyFor: async () => key, ids: async () => [] },
  }
  const options = { isOwner: true, maxUploadBytes: 1_000_000 }
  const server = createServer((req, res) => {
    const target = parseTarget(req.method ?? '', req.url ?? '')
    const exchange: Exchange = {
      ...{ req, res, target, signal, giveUp: nothing, base: '', isOwnBase: true },
    }
    const asked = parseChange(target.method, target.path, NAME)
    if (asked === undefined || asked === 'read') return void res.destroy()
    answerChange(network, options, { exchange, name: NAME, change: asked }).catch(
      (error: unknown) => sendError(req, res, error),
    )
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  onTestFinished(() => void server.close())
  const { port } = server.address() as AddressInfo
  const send = async (method: string, path: string, body?: object): Promise<number> => {
    const headers = { 'content-type': 'application/json' }
    const sent = { method, headers, ...(body && { body: JSON.stringify(body) }) }
    return (await fetch(`http://127.0.0.1:${port}/@acme%2ftool${path}`, sent)).status
  }
  const listing = await network.networkPackages.list(NAME, { signal })
  const part = await network.networkPackages.find(NAME, { signal })
  return {
    ...{ change, send, revision: listing.revision },
    whole: listingDocumentOf(listing, '') as Document,
    part: packumentOf(part, { base: '', sign: undefined }) as Document,
  }
}

interface Document {
  readonly _rev: string
  readonly versions: Record<string, object>
}

test('withdrawn is what a client took out of a document with all versions, never what it was not shown', async () => {
  const { change, send, whole, part } = await world()
  expect(Object.keys(whole.versions)).toEqual(VERSIONS)
  expect(Object.keys(part.versions)).toEqual(['2.0.0', '1.1.0'])
  expect(await send('PUT', `/-rev/${part._rev}`, part)).toBe(409)
  const { _rev, ...unnumbered } = part
  expect(await send('PUT', '', unnumbered)).toBe(409)
  expect(await send('DELETE', `/-rev/${_rev}`)).toBe(409)
  expect(change).not.toHaveBeenCalled()
  const { '1.1.0': gone, ...versions } = whole.versions
  expect(await send('PUT', `/-rev/${whole._rev}`, { ...whole, versions })).toBe(201)
  expect(change.mock.lastCall?.[1].unpublish).toEqual(['1.1.0'])
  const deprecated = { ...whole.versions, '1.1.0': { ...gone, deprecated: 'use 2' } }
  expect(await send('PUT', '', { ...whole, versions: deprecated })).toBe(201)
  expect(change.mock.lastCall?.[1]).toMatchObject({
    unpublish: [],
    deprecations: { '1.1.0': 'use 2' },
  })
})

test('a whole package withdrawn takes along what no document of it shows', async () => {
  const { change, send, revision } = await world()
  expect(await send('DELETE', `/-rev/${revision}`)).toBe(201)
  expect(change.mock.lastCall?.[1]).toEqual({ unpublish: VERSIONS })
})
