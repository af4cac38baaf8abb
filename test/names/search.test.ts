/**
 * Searches with no registry in reach, with real peers over real QUIC and the real npm: what others have is found, what is private
 * is neither found nor asked for, and a peer that says anything at all cannot pass for what is known.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CatalogNode } from '@catalog-p2p/core'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { SearchReport } from '../../gateway/src/search/answer-search.ts'
import type { FoundPackage } from '../../gateway/src/search/merge.ts'
import { SEARCH_PROTOCOL } from '../../gateway/src/search/search-messages.ts'
import { createWorkspace, mustRunClient } from '../support/client.ts'
import { fixturePackages, makePackage } from '../support/fixture-packages.ts'
import { meet, quietNode, type Machine } from '../support/machines/machine.ts'
import { tarballPath } from '../support/registries/registry.ts'
import { signedSwarm, type SignedSwarm } from '../support/signed-swarm.ts'

const leaf = makePackage('fx-react-leaf', '1.0.0', {
  ...{ description: 'Leaves for trees of react', keywords: ['forest', 'react'] },
})
const packages = [...fixturePackages().filter(({ name }) => name !== 'fx-big'), leaf]

let folder: string
let swarm: SignedSwarm
let strangers: CatalogNode[]
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'catalog-search-'))
  swarm = await signedSwarm(folder, packages)
  strangers = []
})
afterEach(async () => {
  for (const node of strangers) await node.close()
  await swarm[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

/** A machine that has seen the packuments of these at the registry. */
async function informed(names: readonly string[], options = {}): Promise<Machine> {
  const machine = await swarm.machine(options)
  for (const name of names) expect((await fetch(`${machine.url}/${name}`)).status).toBe(200)
  return machine
}

async function report({ url }: Machine, text: string): Promise<SearchReport> {
  const response = await fetch(`${url}/-/catalog/search?text=${encodeURIComponent(text)}`)
  expect(response.status).toBe(200)
  return (await response.json()) as SearchReport
}

const said = ({ results }: SearchReport): string[] =>
  results.map(({ name, source, known }) => `${name} ${source}${known ? '' : '?'}`)

/** A peer that answers every search with this, or with these very bytes. */
async function stranger(answer: readonly FoundPackage[] | Uint8Array): Promise<CatalogNode> {
  const node = await quietNode()
  strangers.push(node)
  const encode = (found: readonly FoundPackage[]): Uint8Array =>
    answer instanceof Uint8Array ? answer : SEARCH_PROTOCOL.response.encode(found)
  const protocol = { ...SEARCH_PROTOCOL, response: { ...SEARCH_PROTOCOL.response, encode } }
  const found = answer instanceof Uint8Array ? [] : answer
  node.questions.answer(protocol, { maxStreamsPerPeer: 4, answer: async () => found })
  return node
}

const junk = (count: number): FoundPackage[] =>
  Array.from({ length: count }, (_, i) => ({
    ...{ name: `react-junk-${i}`, version: '1.0.0', publishedAtMs: undefined },
    ...{ description: 'react, react and react', keywords: ['react'] },
  }))

describe('with no registry in reach', () => {
  test('npm search finds what a peer has', async () => {
    await using workspace = await createWorkspace()
    const first = await informed(['fx-react-leaf', 'fx-colors', '@fx/alpha'])
    const second = await swarm.machine()
    await swarm.registry.stop()
    await meet(second.node, first.node, 0)
    const run = {
      ...{ cwd: workspace.path, registry: second.url, home: await workspace.folder('home') },
      env: { npm_config_loglevel: 'silent' },
    }
    const printed = await mustRunClient('npm-12', ['search', 'react', '--json'], run)
    expect(JSON.parse(printed.output)).toMatchObject([
      {
        name: 'fx-react-leaf',
        version: '1.0.0',
        description: 'Leaves for trees of react',
        keywords: ['forest', 'react'],
        date: '2020-02-02T02:02:02.000Z',
      },
    ])
    const pnpm = await mustRunClient('pnpm-12', ['search', 'react', '--json'], run)
    expect(JSON.parse(pnpm.output)).toMatchObject([{ name: 'fx-react-leaf', version: '1.0.0' }])
    const text = await mustRunClient('npm-12', ['search', 'fx'], run)
    for (const name of ['fx-react-leaf', 'fx-colors', '@fx/alpha']) {
      expect(text.output).toContain(name)
    }
    const { headers } = await fetch(`${second.url}/-/v1/search?text=fx&size=2&from=1`)
    expect(headers.get('x-catalog-search')).toBe('local=0, peers=3, unverified=3')
  })

  test('what this node has itself is found without any peer, in pages', async () => {
    const machine = await informed(['fx-colors', 'fx-leaf', 'fx-dev'])
    await swarm.registry.stop()
    const page = async (query: string): Promise<string[]> => {
      const response = await fetch(`${machine.url}/-/v1/search?text=fx&${query}`)
      const { objects } = (await response.json()) as { objects: { package: { name: string } }[] }
      return objects.map((each) => each.package.name)
    }
    const all = await page('')
    expect(all.toSorted()).toEqual(['fx-colors', 'fx-dev', 'fx-leaf'])
    expect([...(await page('size=2')), ...(await page('size=2&from=2'))]).toEqual(all)
    expect(await page('from=7')).toEqual([])
    const tooLong = await fetch(`${machine.url}/-/v1/search?text=${'x'.repeat(201)}`)
    expect(tooLong.status).toBe(400)
    expect(said(await report(machine, 'colors'))).toEqual(['fx-colors local'])
  })
})

describe('a peer', () => {
  test('that claims everything is bounded, and ranks below what has evidence', async () => {
    const first = await informed(['fx-react-leaf'])
    expect((await fetch(first.url + tarballPath(leaf))).status).toBe(200)
    const second = await swarm.machine()
    const liar = await stranger(junk(20))
    await meet(second.node, liar, 0)
    await meet(second.node, first.node, 1)
    await swarm.registry.stop()
    // Its record comes with it: this node knows by the registry's signature that there is such a package.
    expect((await fetch(second.url + tarballPath(leaf))).status).toBe(200)
    const found = await report(second, 'react')
    expect(said(found).slice(0, 2)).toEqual(['fx-react-leaf peer', 'react-junk-0 peer?'])
    expect(found.results).toHaveLength(20)
    expect(found).toMatchObject({ upstream: 'failed', peers: { asked: 2, answered: 2 } })
    expect(second.node.stats().misbehaviour).toBe(0)
    // What does not even match is left out.
    expect(said(await report(second, 'forest'))).toEqual(['fx-react-leaf peer'])
  })

  test.each([
    ['is malformed', Buffer.from('0201000161000131', 'hex')],
    ['is not UTF-8', Buffer.from('020100016100053' + '12e302e300002c3280000', 'hex')],
    ['is too long', Buffer.alloc(200 * 1024, 2)],
    ['has more results than were asked for', SEARCH_PROTOCOL.response.encode(junk(50))],
  ])('whose answer %s is penalized, and the others count', async (_what, bytes) => {
    const first = await informed(['fx-react-leaf'])
    const second = await swarm.machine()
    await meet(second.node, await stranger(bytes), 0)
    await meet(second.node, first.node, 0)
    await swarm.registry.stop()
    expect(said(await report(second, 'react'))).toEqual(['fx-react-leaf peer?'])
    expect(second.node.stats().misbehaviour).toBe(1)
  })

  test('that is silent holds a search up for a second at most', async () => {
    const first = await informed(['fx-react-leaf'])
    const second = await swarm.machine()
    const mute = await quietNode()
    strangers.push(mute)
    const answer = (): Promise<undefined> => new Promise(() => undefined)
    mute.questions.answer(SEARCH_PROTOCOL, { maxStreamsPerPeer: 4, answer })
    await meet(second.node, mute, 0)
    await meet(second.node, first.node, 0)
    await swarm.registry.stop()
    const found = await report(second, 'react')
    expect(said(found)).toEqual(['fx-react-leaf peer?'])
    expect(found.peers).toEqual({ asked: 2, answered: 1 })
  })
})

describe('what is not public', () => {
  test('is not told to peers, nor found by strangers', async () => {
    const first = await informed(['@fx/alpha', 'fx-colors'], { privateScopes: ['@fx'] })
    const second = await swarm.machine()
    await meet(second.node, first.node, 0)
    await swarm.registry.stop()
    const found = said(await report(second, 'fx'))
    expect(found).toContain('fx-colors peer?')
    expect(found.filter((each) => each.includes('@fx'))).toEqual([])
    for (const text of ['alpha', '@fx/alpha']) {
      expect(await report(second, text)).toMatchObject({ results: [], peers: { answered: 1 } })
      expect((await report(first, text)).results).toEqual([])
    }
  })

  test('nor anything else where a node seeds nothing', async () => {
    const node = await quietNode({ transfer: { seed: false } })
    strangers.push(node)
    await informed(['fx-colors'], { node })
    const second = await swarm.machine()
    await meet(second.node, node, 0)
    await swarm.registry.stop()
    expect(await report(second, 'colors')).toMatchObject({ results: [], peers: { answered: 0 } })
    expect(second.node.stats().misbehaviour).toBe(0)
  })

  test('is not looked for at peers', async () => {
    const first = await informed(['fx-colors'])
    const second = await swarm.machine({ privateScopes: ['@fx', 'fx-secret'] })
    await meet(second.node, first.node, 0)
    await swarm.registry.stop()
    const asked = vi.spyOn(second.node.questions, 'ask')
    for (const text of ['@fx/alpha', '@fx', 'scope:fx', 'fx colors', 'fx-secret', 'FX-Secret']) {
      expect((await report(second, text)).peers.asked, text).toBe(0)
    }
    expect(asked).not.toHaveBeenCalled()
    expect(said(await report(second, 'colors'))).toEqual(['fx-colors peer?'])
  })
})

test('a registry that answers is all that a client sees', async () => {
  const machine = await informed(['fx-react-leaf'])
  swarm.registry.forget()
  // This registry has no search, and says so.
  const response = await fetch(`${machine.url}/-/v1/search?text=react`)
  expect(response.status).toBe(404)
  expect(response.headers.get('x-catalog-search')).toBeNull()
  expect(swarm.registry.requests.map(({ path }) => path)).toEqual(['/-/v1/search'])
})
