import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createNode, digestOf, findDigest, type NodeOptions } from '@catalog-p2p/core'
import { createHash } from 'node:crypto'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { quietNode } from '../../../test/support/machines/machine.ts'
import { revisitVisibility } from './revisit-visibility.ts'
import type { LocalStorage } from './verdaccio.ts'

const log = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() }
const bytesOf = (name: string): Buffer => Buffer.from(`the tarball of ${name}`)
const names = ['fx-a', 'fx-b', 'acme-a']

let path: string
let started: NodeOptions[]
let isPublic: (name: string) => boolean
let list:
  ((on: (item: object, next: (e?: unknown) => void) => void, end: () => void) => void) | undefined

beforeEach(async () => {
  vi.clearAllMocks()
  path = await mkdtemp(join(tmpdir(), 'revisit-visibility-'))
  started = []
  isPublic = () => true
  list = (onPackage, onEnd) => {
    const left = [...names, 'no-package']
    const visit = (error?: unknown): void => {
      const name = error === undefined || error === null ? left.shift() : undefined
      if (name === undefined) onEnd()
      else onPackage({ name }, visit)
    }
    visit()
  }
})

afterEach(() => rm(path, { recursive: true, force: true }))

function manifestOf(name: string): object {
  const file = `${name}-1.0.0.tgz`
  const tarball = `https://host.example/${name}/-/${file}`
  const shasum = createHash('sha1').update(bytesOf(name)).digest('hex')
  return {
    versions: { '1.0.0': { dist: { tarball, shasum, integrity: digestOf(bytesOf(name)) } } },
    _distfiles: { [file]: { url: tarball, sha: shasum, registry: 'main' } },
  }
}

async function keep(policy: string, more: { maxListingMs?: number; signal?: AbortSignal } = {}) {
  const localStorage = {
    getPackageMetadataAsync: async (name: string) => {
      if (!names.includes(name)) throw new Error('no such package')
      return manifestOf(name)
    },
    storagePlugin: { search: list },
  } as unknown as LocalStorage
  const core = {
    findDigest,
    createNode: (options: NodeOptions = {}, given = {}) => {
      started.push(options)
      return createNode(options, given)
    },
  }
  const privacy = { isPublic, isProxiedPublic: isPublic, proxiesOf: () => ['main'] }
  const signal = new AbortController().signal
  const node = { store: { path }, network: { bootstrap: ['/nonsense'], mdns: true } }
  await revisitVisibility(
    { core, localStorage, privacy, log, nodeLog: log },
    { node, policy, signal, ...more },
  )
}

/** What the store holds of these packages, after something has been put into it. */
async function held(put: readonly string[] = []): Promise<string[]> {
  await using node = await quietNode({ store: { path } })
  for (const name of put) await node.put(bytesOf(name))
  const all = [...names, 'rescued'].filter((name) => node.has(digestOf(bytesOf(name))))
  for (const name of all) expect(node.entry(digestOf(bytesOf(name)))?.pinned).toBe(false)
  return all
}

test('the first start has nothing to look at, and the same configuration no reason to', async () => {
  await keep('policy 1')
  expect(await held(names)).toEqual(names)
  isPublic = () => false
  await keep('policy 1')
  expect(started).toEqual([])
  expect(await held()).toEqual(names)
})

test('what another configuration denies is gone before the node starts, and what nobody knows', async () => {
  await keep('policy 1')
  await held([...names, 'rescued'])
  isPublic = (name) => !name.startsWith('acme-')
  await keep('policy 2')
  expect(await held()).toEqual(['fx-a', 'fx-b'])
  expect(log.info).toHaveBeenCalledWith('privacy.applied', { kept: 2, removed: 2 })
  // Behind a node that nobody hears of, and that would give nothing.
  expect(started[0]?.transfer?.seed).toBe(false)
  expect(started[0]?.network).toMatchObject({ loopbackOnly: true, bootstrap: [], mdns: false })
  await keep('policy 2')
  expect(started).toHaveLength(1)
})

test('a store of before anything was noted is gone through as well', async () => {
  await held(names)
  isPublic = (name) => name === 'fx-a'
  await keep('policy 1')
  expect(await held()).toEqual(['fx-a'])
})

test('what can not be listed, or not in time, is not known to be public', async () => {
  await held(names)
  await keep('policy 1', { maxListingMs: 0 })
  expect(await held(names)).toEqual(names)
  list = undefined
  await keep('policy 2')
  expect(await held()).toEqual([])
  expect(log.warn).toHaveBeenCalledWith('privacy.no-list', expect.anything())
})

test('one that is interrupted is begun anew', async () => {
  await keep('policy 1')
  await held(names)
  isPublic = () => false
  const stop = AbortSignal.abort(new Error('Verdaccio is shutting down'))
  await expect(keep('policy 2', { signal: stop })).rejects.toThrow('shutting down')
  expect(await readdir(path)).not.toContain('verdaccio-policy')
  await keep('policy 1')
  expect(await held()).toEqual([])
})
