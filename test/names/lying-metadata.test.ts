/**
 * A peer that lies about what no signature covers: the tarball, which it does, is refused with the field that differs, the
 * metadata is dropped and not believed again; where another peer says otherwise, the liar is not heard again. Real QUIC, no
 * registry in reach.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { packageKeyOf, type CatalogNode } from '@catalog-p2p/core'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { PACKUMENTS } from '../../gateway/src/packuments/peers/packument-protocol.ts'
import {
  incompressibleBytes,
  makePackage,
  type FixturePackage,
} from '../support/fixture-packages.ts'
import { meet, quietNode, type MachineOptions } from '../support/machines/machine.ts'
import { tarballPath } from '../support/registries/registry.ts'
import { signedSwarm, type SignedSwarm } from '../support/signed-swarm.ts'

const small = makePackage('fx-small', '1.0.0', { dependencies: { 'fx-leaf': '^1.0.0' } })
const large = makePackage('fx-large', '1.0.0', { engines: { node: '>=18' } }, [
  { path: 'data.bin', content: incompressibleBytes(3_000_000, 'fx-large') },
])
const older = makePackage('fx-two', '1.0.0')
const newer = makePackage('fx-two', '1.1.0')

let folder: string
let swarm: SignedSwarm
let liar: CatalogNode
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'catalog-lies-'))
  swarm = await signedSwarm(folder, [small, large, older, newer])
  await swarm.registry.stop()
  liar = await quietNode()
})
afterEach(async () => {
  swarm.registry.release()
  await swarm[Symbol.asyncDispose]()
  await liar.close()
  await rm(folder, { recursive: true, force: true })
})

/** The liar has the real bytes, and says this of them. */
async function tell(
  each: FixturePackage,
  more: Record<string, unknown>,
  others: Readonly<Record<string, object>> = {},
): Promise<void> {
  const { name, version, integrity } = each
  const sig = swarm.signer.sign(Buffer.from(`${name}@${version}:${integrity}`))
  const dist = { integrity, signatures: [{ keyid: swarm.signer.keyid, sig }] }
  const manifest = { ...each.manifest, dist, ...more }
  const document = {
    name,
    'dist-tags': { latest: version },
    versions: { [version]: manifest, ...others },
  }
  await liar.put(each.tarball)
  liar.questions.announce(packageKeyOf({ registry: `${swarm.registry.url}/`, name }))
  liar.questions.answer(PACKUMENTS, {
    maxStreamsPerPeer: 8,
    answer: async () => ({
      fetchedAtMs: Date.now(),
      document: gzipSync(JSON.stringify(document)),
    }),
  })
}

async function victim(each: FixturePackage, options?: Partial<MachineOptions>) {
  const machine = await swarm.machine(options)
  await meet(machine.node, liar, 1)
  const key = packageKeyOf({ registry: `${swarm.registry.url}/`, name: each.name })
  await vi.waitFor(() => expect(machine.node.questions.holders(key)).toEqual([liar.id]))
  return machine
}

test.each([
  ['the truth', small, {}, undefined],
  ['a dependency', small, { dependencies: { 'fx-evil': '*' } }, 'dependencies'],
  [
    'dependencies that are no object',
    small,
    { dependencies: ['npm:fx-evil@1.0.0'] },
    'dependencies',
  ],
  ['the truth of what is large', large, {}, undefined],
  ['a command of what is large', large, { bin: { npm: 'evil.js' } }, 'bin'],
] as const)('%s', { timeout: 30_000 }, async (_what, each, lie, field) => {
  await tell(each, lie)
  const machine = await victim(each)
  const metadata = await fetch(`${machine.url}/${each.name}`)
  expect(metadata.headers.get('x-catalog-metadata')).toBe('peer')
  const response = await fetch(machine.url + tarballPath(each))
  if (field === undefined) {
    expect(Buffer.from(await response.arrayBuffer()).equals(each.tarball)).toBe(true)
    expect(machine.node.stats().bannedPeers).toBe(0)
    return
  }
  const text = await response.text().catch(() => 'cut off')
  if (response.status === 200) expect(text).toBe('cut off')
  else expect(text).toContain(`differs from the package itself in: ${field}`)
  expect((await fetch(`${machine.url}/${each.name}`)).status).not.toBe(200)
  // It may have passed on what the registry says of a package that says something else of itself.
  expect(machine.node.stats().bannedPeers).toBe(0)
  // A client tries again by itself, and still wants what it was told.
  const again = await fetch(machine.url + tarballPath(each))
  expect(await again.text()).toContain(`differs from the package itself in: ${field}`)
  expect(again.status).toBe(502)
})

test('what a client was told is refused though the registry has spoken since', async () => {
  await tell(small, { dependencies: { 'fx-evil': '*' } })
  await swarm.registry.restart()
  swarm.registry.hang()
  const machine = await victim(small)
  const source = async (): Promise<string | null> =>
    (await fetch(`${machine.url}/${small.name}`)).headers.get('x-catalog-metadata')
  expect(await source()).toBe('peer')
  swarm.registry.release()
  await expect.poll(source).toBe('registry')
  const tarball = async (): Promise<number> =>
    (await fetch(machine.url + tarballPath(small))).status
  expect([await tarball(), await tarball()]).toEqual([502, 502])
  expect(machine.node.stats().bannedPeers).toBe(1)
  // Whoever asks anew is told the truth, and gets it.
  expect(await source()).toBe('registry')
  expect(await tarball()).toBe(200)
})

test('a false signature is refused, and its sender', { timeout: 30_000 }, async () => {
  const dist = { integrity: large.integrity, signatures: [] as object[] }
  const sig = swarm.signer.sign(Buffer.from('something else'))
  await tell(small, { dist: { ...dist, signatures: [{ keyid: swarm.signer.keyid, sig }] } })
  const machine = await victim(small)
  expect((await fetch(`${machine.url}/${small.name}`)).status).not.toBe(200)
  await vi.waitFor(() => expect(machine.node.stats().bannedPeers).toBe(1))
})

test('a version that no range picks, with bytes that nobody signed', async () => {
  const evil = makePackage(newer.name, '1.1.0-rc.1', { scripts: { install: 'evil' } })
  const sig = swarm.signer.sign(Buffer.from(`${evil.name}@${evil.version}:${older.integrity}`))
  const dist = { integrity: evil.integrity, signatures: [{ keyid: swarm.signer.keyid, sig }] }
  await liar.put(evil.tarball)
  await tell(newer, {}, { [evil.version]: { ...evil.manifest, dist } })
  const machine = await victim(newer)
  const metadata = await fetch(`${machine.url}/${evil.name}`)
  expect(await metadata.text()).toContain(evil.integrity)
  // npm says the hash that it has been told; it tries again by itself, and somebody else may have given the bytes.
  const told = { 'pacote-integrity': evil.integrity }
  for (const headers of [{ ...told, 'x-catalog-upstream': 'never' }, told, {}]) {
    for (const isHere of [false, true]) {
      if (isHere) await machine.node.put(evil.tarball)
      const response = await fetch(machine.url + tarballPath(evil), { headers })
      expect(await response.text()).toMatch(/a peer told of it.*signature/)
      expect(response.status).toBe(502)
    }
  }
  expect((await fetch(`${machine.url}/${evil.name}/${evil.version}`)).status).not.toBe(200)
  await vi.waitFor(() => expect(machine.node.stats().bannedPeers).toBe(1))
})

test('a version that a range picks only where the guard leaves out a higher one, with a false signature', async () => {
  const bait = makePackage(newer.name, '1.1.0-rc.1')
  const sig = swarm.signer.sign(Buffer.from('something else'))
  const dist = { integrity: bait.integrity, signatures: [{ keyid: swarm.signer.keyid, sig }] }
  await tell(newer, {}, { [bait.version]: { ...bait.manifest, dist } })
  const malwareList = join(folder, 'malware.json')
  const affected = [{ package: { ecosystem: 'npm', name: newer.name }, versions: ['1.1.0'] }]
  await writeFile(malwareList, JSON.stringify({ id: 'MAL-2026-1', affected }))
  const machine = await victim(newer, { gateway: { malwareList } })
  const metadata = await fetch(`${machine.url}/${newer.name}`)
  expect(await metadata.text()).not.toContain(bait.integrity)
  expect(metadata.status).not.toBe(200)
  await vi.waitFor(() => expect(machine.node.stats().bannedPeers).toBe(1))
})

test('what else a client was told is compared still, when one lie has taken the document along', async () => {
  const sign = (of: FixturePackage, what: string) => {
    const sig = swarm.signer.sign(Buffer.from(`${of.name}@${of.version}:${what}`))
    const signatures = [{ keyid: swarm.signer.keyid, sig }]
    return { ...of.manifest, dist: { integrity: of.integrity, signatures } }
  }
  const bait = makePackage(newer.name, '1.1.0-rc.1')
  await tell(
    newer,
    { dependencies: { 'fx-evil': '*' } },
    { [older.version]: sign(older, older.integrity), [bait.version]: sign(bait, 'something else') },
  )
  const machine = await victim(newer)
  const get = async (each: FixturePackage): Promise<{ status: number; text: string }> => {
    const headers = { 'pacote-integrity': each.integrity }
    const response = await fetch(machine.url + tarballPath(each), { headers })
    return { status: response.status, text: await response.text() }
  }
  const metadata = await fetch(`${machine.url}/${newer.name}`)
  expect(metadata.headers.get('x-catalog-metadata')).toBe('peer')
  expect((await get(bait)).status).toBe(502)
  // The registry says that these are the bytes, and asks nobody what the client was told beside.
  await swarm.registry.restart()
  await expect.poll(async () => (await get(older)).status, { timeout: 20_000 }).toBe(200)
  const { status, text } = await get(newer)
  expect(text).toContain('differs from the package itself in: dependencies')
  expect(status).toBe(502)
})

test('a lie that another peer contradicts', { timeout: 30_000 }, async () => {
  await swarm.registry.restart()
  const honest = await swarm.machine()
  expect((await fetch(`${honest.url}/${small.name}`)).status).toBe(200)
  await swarm.registry.stop()
  await tell(small, { dependencies: { 'fx-evil': '*' } })
  const machine = await victim(small)
  await meet(machine.node, honest.node, 0)
  const key = packageKeyOf({ registry: `${swarm.registry.url}/`, name: small.name })
  await vi.waitFor(() => expect(machine.node.questions.holders(key)).toHaveLength(2))
  const dependencies = async (): Promise<unknown> => {
    const response = await fetch(`${machine.url}/${small.name}`)
    const { versions } = (await response.json()) as typeof small.manifest & {
      versions: Record<string, { dependencies: unknown }>
    }
    return versions['1.0.0']?.dependencies
  }
  expect(await dependencies()).toEqual({ 'fx-evil': '*' })
  expect((await fetch(machine.url + tarballPath(small))).status).toBe(502)
  await vi.waitFor(() => expect(machine.node.stats().bannedPeers).toBe(1))
  expect(await dependencies()).toEqual({ 'fx-leaf': '^1.0.0' })
  const response = await fetch(machine.url + tarballPath(small))
  expect(Buffer.from(await response.arrayBuffer()).equals(small.tarball)).toBe(true)
})

test('a version that one of two peers hides is there', { timeout: 30_000 }, async () => {
  await swarm.registry.restart()
  const honest = await swarm.machine()
  expect((await fetch(`${honest.url}/${older.name}`)).status).toBe(200)
  await swarm.registry.stop()
  await tell(older, {})
  const machine = await swarm.machine()
  await meet(machine.node, liar, 1)
  await meet(machine.node, honest.node, 0)
  const key = packageKeyOf({ registry: `${swarm.registry.url}/`, name: older.name })
  await vi.waitFor(() => expect(machine.node.questions.holders(key)).toHaveLength(2))
  const response = await fetch(`${machine.url}/${older.name}`)
  const { versions } = (await response.json()) as { versions: Record<string, unknown> }
  expect(Object.keys(versions).sort()).toEqual(['1.0.0', '1.1.0'])
})
