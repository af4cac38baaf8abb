/** Private scopes that a private swarm shares: only those that are listed, and private again when they are no longer. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { createNode, openDatabase, parseDigest, type Digest } from '@catalog-p2p/core'
import { makePackage } from '../../../../test/support/fixture-packages.ts'
import { gatewayWorld, type GatewayWorld } from '../../../../test/support/gateway-world.ts'
import { METADATA_FILE } from '../../packuments/cache/packument-cache.ts'
import { createBindings } from '../bindings/bindings.ts'
import { createOwners } from './private-artifacts.ts'
import { openStoredVisibility } from './stored-visibility.ts'

const listed = makePackage('@corp/listed', '1.0.0')
const other = makePackage('@other/thing', '1.0.0')
const ALICE = { authorization: 'Bearer alice-token' }
const paths = {
  listed: '/@corp/listed/-/listed-1.0.0.tgz',
  other: '/@other/thing/-/thing-1.0.0.tgz',
}

describe('what needs credentials', () => {
  let world: GatewayWorld
  afterEach(() => world[Symbol.asyncDispose]())

  async function start(options: Parameters<typeof gatewayWorld>[0]): Promise<void> {
    world = await gatewayWorld({ packages: [listed, other], ...options })
    world.upstream.wall(/@corp|@other/, [ALICE.authorization])
    for (const path of Object.values(paths)) {
      await world.http.get(path.replace(/\/-\/.*/, '')).set(ALICE)
      expect((await world.get(path, ALICE)).status).toBe(200)
    }
  }
  const isPublic = ({ integrity }: typeof listed): boolean => {
    const digest = parseDigest(integrity)
    const asked = world.node.asked.filter((one) => one.digest === digest)
    const isStored = world.node.entry(digest)?.visibility === 'public'
    expect(asked.every(({ peers }) => peers === isStored)).toBe(true)
    return isStored
  }

  test('reaches peers if its scope is listed, and only then', async () => {
    await start({ shareScopes: ['@Corp'] })
    expect([isPublic(listed), isPublic(other)]).toEqual([true, false])
  })

  test('reaches peers although its scope is marked private, if it is listed as well', async () => {
    await start({ shareScopes: ['@corp'], privateScopes: ['@corp', '@other'] })
    expect([isPublic(listed), isPublic(other)]).toEqual([true, false])
  })

  test('stays where it is otherwise', async () => {
    await start({})
    expect([isPublic(listed), isPublic(other)]).toEqual([false, false])
  })

  test('was kept as private before, and is shared from when it is asked for', async () => {
    await start({})
    await world.restart({ shareScopes: ['@corp'] })
    for (const path of Object.values(paths)) await world.get(path, ALICE)
    const visibilities = [listed, other].map(
      ({ integrity }) => world.node.entry(parseDigest(integrity))?.visibility,
    )
    expect(visibilities).toEqual(['public', 'private'])
  })
})

describe('a store that was in a private swarm', () => {
  const folders: string[] = []
  afterEach(async () => {
    for (const path of folders.splice(0)) await rm(path, { recursive: true, force: true })
  })

  /** Of what is put, or was before, that which is public once a node has started with such a list. */
  async function publicAfter(
    path: string,
    shareScopes: string[],
    {
      put = [],
      before = [],
      swarms = [],
    }: { put?: Uint8Array[]; before?: Digest[]; swarms?: string[] },
  ): Promise<{ digests: Digest[]; found: Digest[] }> {
    const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
    const rules = {
      privateScopes: [],
      publicRegistries: ['http://registry.invalid/'],
      shareScopes,
      swarms,
    }
    const visibility = await openStoredVisibility({ log }, { path, rules })
    const { judge } = visibility
    const network = { loopbackOnly: true, port: 0, dht: false, mdns: false }
    const node = await createNode(
      { store: { path }, network },
      judge === undefined ? {} : { judgeVisibility: judge },
    )
    visibility.accept()
    visibility.close()
    const digests: Digest[] = []
    for (const bytes of put) digests.push(await node.put(bytes, { visibility: 'public' }))
    const all = [...digests, ...before]
    const found = all.filter((digest) => node.entry(digest)?.visibility === 'public')
    await node.close()
    return { digests, found }
  }

  test('gives nothing of the scopes that were shared there to peers elsewhere', async () => {
    const path = await mkdtemp(join(tmpdir(), 'catalog-shared-'))
    folders.push(path)
    const { digests } = await publicAfter(path, ['@corp'], {
      put: [Buffer.from('listed'), Buffer.from('x')],
    })
    const [ofCorp, ofAll] = digests as [Digest, Digest]
    const database = await openDatabase(join(path, METADATA_FILE))
    const bindings = createBindings(database)
    const registry = 'http://registry.invalid/'
    bindings.add({ registry, owner: '', name: '@corp/listed', version: '1.0.0' }, ofCorp)
    bindings.add({ registry, owner: '', name: 'open', version: '1.0.0' }, ofAll)
    bindings.close()
    createOwners(database)
    database.close()
    const before = [ofCorp, ofAll]
    const found = async (...scopes: string[]): Promise<Digest[]> =>
      (await publicAfter(path, scopes, { before })).found
    expect(await found('@corp')).toEqual(before)
    expect(await found('@other')).toEqual([ofAll])
    expect(await found()).toEqual([ofAll])
    // By the name alone nothing becomes public again.
    expect(await found('@corp')).toEqual([ofAll])
  })

  test('gives what has no registry, as what is published in a swarm, to that swarm only', async () => {
    const path = await mkdtemp(join(tmpdir(), 'catalog-shared-'))
    folders.push(path)
    const { digests } = await publicAfter(path, [], {
      ...{ put: [Buffer.from('published'), Buffer.from('x')], swarms: ['one'] },
    })
    const [published, ofAll] = digests as [Digest, Digest]
    const database = await openDatabase(join(path, METADATA_FILE))
    const registry = 'http://registry.invalid/'
    const bindings = createBindings(database)
    bindings.add({ registry, owner: '', name: 'open', version: '1.0.0' }, ofAll)
    bindings.close()
    database.close()
    const before = [published, ofAll]
    const found = async (...swarms: string[]): Promise<Digest[]> =>
      (await publicAfter(path, [], { before, swarms })).found
    expect(await found('one')).toEqual(before)
    // The swarm shares one scope more, and one less.
    const more = { before, swarms: ['one'] }
    expect((await publicAfter(path, ['@corp'], more)).found).toEqual(before)
    expect(await found('one')).toEqual([ofAll])
    expect((await publicAfter(path, ['@corp'], more)).found).toEqual(before)
    expect(await found()).toEqual([ofAll])
    expect(await found('two')).toEqual([ofAll])
    // It has had another key meanwhile, and is still the same.
    const rotated = (swarms: string[]) => publicAfter(path, ['@corp'], { before, swarms })
    expect((await rotated(['next', 'one'])).found).toEqual(before)
    expect((await rotated(['next'])).found).toEqual(before)
    expect(await found('two', 'three')).toEqual([ofAll])
    // What it was called may have been lost: nobody gets it by its hash alone.
    const later = await openDatabase(join(path, METADATA_FILE))
    expect(createOwners(later).knows(published)).toBe(false)
    later.close()
  })
})
