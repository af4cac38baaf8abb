/** Trust on first use, between real nodes: who is trusted, when nobody is, and what an attacker gets of it. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { CatalogError, generateKey, keyIdOf, type HybridKey } from '@catalog-p2p/core'
import { makePackage } from '../../../test/support/fixture-packages.ts'
import { swarm, type Swarm } from '../../../test/support/swarm.ts'
import { startFirstUse, type FirstUse } from './first-use.ts'
import type { FirstUseFacts } from './origin-of-name.ts'
import { withEntry } from './trust-entries.ts'
import { changeTrustFile, trustFilePath } from './trust-file.ts'
import { openTrust, type Trust } from './trust.ts'

const ann = generateKey()
const eve = generateKey()
const { signal } = new AbortController()
const missing = new CatalogError('NOT_FOUND', 'nobody has it')

let world: Swarm
let folder: string
let trust: Trust
let logged: string[]
let started: FirstUse[]

beforeEach(async () => {
  world = await swarm(3)
  folder = await mkdtemp(join(tmpdir(), 'catalog-first-use-'))
  logged = []
  started = []
})
afterEach(async () => {
  await Promise.all(started.map((each) => each.stop()))
  await world.close()
  await rm(folder, { recursive: true })
})

function start(
  node: Swarm['a'],
  more: {
    isWanted?: boolean
    atRegistry?: FirstUseFacts['atRegistry']
    isPrivate?: (name: string) => boolean
  } = {},
): FirstUse {
  const { isWanted = true, atRegistry = 'no registry', isPrivate = () => false } = more
  const note = (event: string): void => void logged.push(event)
  const log = { debug: note, info: note, warn: note, error: note }
  trust = openTrust({ log }, { trustPath: trustFilePath(folder), trustOnFirstUse: isWanted })
  const deps = { node, trust, isPrivate, atRegistry: () => atRegistry, log }
  const made = startFirstUse(deps, { isWanted })
  started.push(made)
  return made
}

/** On a node that answers who asks. */
async function publish(node: Swarm['a'], key: HybridKey, name = 'tool'): Promise<void> {
  start(node, { isWanted: false })
  const { tarball } = makePackage(name, '1.0.0')
  const manifest = JSON.stringify({ name, version: '1.0.0' })
  const input = { name, version: '1.0.0', tarball, manifest, tags: ['latest'] }
  await node.publications.publish(input, key, { signal })
  const publisher = keyIdOf(key.publicKey)
  const others = world.nodes.filter((other) => other !== node)
  for (const other of others) {
    const find = () => other.publications.head({ name, publisher }, { signal, maxAgeMs: 0 })
    await expect.poll(find).toBeDefined()
  }
}

test('binds the name to the one key that publishes it, and keeps to it', async () => {
  await publish(world.a, ann)
  const first = start(world.c)
  expect(await first.tryAgain('tool', missing, signal)).toBe(true)
  expect(trust.originOf('tool')).toMatchObject({ publishers: [keyIdOf(ann.publicKey)] })
  expect(logged).toContain('trust.first-use')
  // Whoever comes later comes too late.
  await publish(world.b, eve)
  const later = start(world.c)
  expect(await later.tryAgain('tool', missing, signal)).toBe(false)
  expect(trust.originOf('tool')).toMatchObject({ publishers: [keyIdOf(ann.publicKey)] })
})

test('binds it to nobody where two publish it', async () => {
  await publish(world.a, ann)
  await publish(world.b, eve)
  expect(await start(world.c).tryAgain('tool', missing, signal)).toBe(false)
  expect(logged).toContain('trust.several-publishers')
  expect(trust.originOf('tool')).toEqual({ kind: 'registry' })
})

test('binds nothing that was not asked for, is private, is bound, or that a registry may have', async () => {
  await publish(world.a, ann)
  await publish(world.a, ann, '@acme/tool')
  const path = trustFilePath(folder)
  const id = keyIdOf(eve.publicKey)
  const entry = { subject: '@acme', kind: 'key', id, how: 'added', comment: '' } as const
  await changeTrustFile(path, (text) => withEntry(text, entry))
  const before = await readFile(path, 'utf8')
  expect(await start(world.c, { isWanted: false }).tryAgain('tool', missing, signal)).toBe(false)
  const isPrivate = (name: string): boolean => name === 'tool'
  expect(await start(world.c, { isPrivate }).tryAgain('tool', missing, signal)).toBe(false)
  for (const atRegistry of ['has it', 'unknown'] as const) {
    expect(await start(world.c, { atRegistry }).tryAgain('tool', missing, signal)).toBe(false)
  }
  expect(await start(world.c).tryAgain('@acme/tool', missing, signal)).toBe(false)
  expect(await start(world.c).tryAgain('nothing', missing, signal)).toBe(false)
  expect(await readFile(path, 'utf8')).toBe(before)
})
