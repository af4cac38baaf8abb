/**
 * Witnesses, with real QUIC: machines that have seen a package at its registry sign what it said, and one that has never seen it,
 * with no registry in reach, believes tags and times where enough of those that its user has named agree, and nothing less.
 */
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { keyIdOf, packageKeyOf, witnessKeyOf } from '@catalog-p2p/core'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { readWitnessKey } from '../../gateway/src/packuments/witness/witness-key.ts'
import type { GatewayOptions } from '../../gateway/src/options.ts'
import { makePackage } from '../support/fixture-packages.ts'
import { meet, startMachine, type Machine } from '../support/machines/machine.ts'
import { tarballPath } from '../support/registries/registry.ts'
import { signedSwarm, type SignedSwarm } from '../support/signed-swarm.ts'

const NAME = 'fx-seen'
const older = makePackage(NAME, '1.0.0')
const newer = makePackage(NAME, '1.1.0')

let folder: string
let swarm: SignedSwarm
const strangers: Machine[] = []
let one: { readonly machine: Machine; readonly id: string }
let two: { readonly machine: Machine; readonly id: string }
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'catalog-witness-'))
  swarm = await signedSwarm(folder, [older, newer])
  one = await witness('one.key')
  two = await witness('two.key')
})
afterEach(async () => {
  // They would tell the next test's what they have heard.
  for (const each of strangers.splice(0)) await each[Symbol.asyncDispose]()
  await swarm.registry.restart()
})
afterAll(async () => {
  await swarm[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

async function witness(file: string): Promise<{ machine: Machine; id: string }> {
  const witnessKeyPath = join(folder, file)
  const id = keyIdOf((await readWitnessKey(witnessKeyPath)).publicKey)
  const machine = await swarm.machine({ gateway: { countersign: true, witnessKeyPath } })
  expect((await fetch(`${machine.url}/${NAME}`)).status).toBe(200)
  await (await fetch(machine.url + tarballPath(newer))).arrayBuffer()
  return { machine, id }
}

const about = () => ({ registry: `${swarm.registry.url}/`, name: NAME })

/** A new one that has met these, and has heard what they have. */
async function stranger(gateway: GatewayOptions, peers: readonly Machine[]): Promise<Machine> {
  const { registry, keyringPath } = swarm
  const machine = await startMachine({ upstream: registry.url, keyringPath, gateway })
  strangers.push(machine)
  for (const peer of peers) await meet(machine.node, peer.node, 0)
  await vi.waitFor(() => {
    expect(machine.node.questions.holders(packageKeyOf(about()))).not.toHaveLength(0)
    expect(holders(machine)).toEqual(expect.arrayContaining(peers.map(({ node }) => node.id)))
  }, 10_000)
  return machine
}

async function asked({ url }: Machine) {
  const response = await fetch(`${url}/${NAME}`)
  const document = (await response.json()) as {
    'dist-tags': Record<string, string>
    time?: Record<string, string>
    versions: Record<string, unknown>
  }
  const said = (name: string): string | null => response.headers.get(`x-catalog-${name}`)
  return { source: said('metadata'), note: said('witnesses'), ...document }
}

test(
  'two of two make tags and times verified, for release age too',
  { timeout: 30_000 },
  async () => {
    await swarm.registry.stop()
    const machine = await stranger({ witnesses: [one.id, two.id], minReleaseAgeMs: 86_400_000 }, [
      one.machine,
      two.machine,
    ])
    const { source, note, ...document } = await asked(machine)
    expect([source, note]).toEqual(['verified', '2 of 2 witnesses agree'])
    expect(document['dist-tags']).toEqual({ latest: '1.1.0' })
    expect(document.time).toMatchObject({ '1.1.0': expect.any(String) as string })
    const tarball = await fetch(machine.url + tarballPath(newer))
    expect(Buffer.from(await tarball.arrayBuffer()).equals(newer.tarball)).toBe(true)
    expect(machine.gateway.stats().metadata.answers.verified).toBe(1)
  },
)

test('one of two is said, and not believed', { timeout: 30_000 }, async () => {
  const absent = keyIdOf((await readWitnessKey(join(folder, 'absent.key'))).publicKey)
  await swarm.registry.stop()
  const witnesses = [one.id, absent]
  const gateway = { witnesses, minReleaseAgeMs: 86_400_000 }
  const machine = await stranger(gateway, [one.machine])
  const refused = await fetch(`${machine.url}/${NAME}`)
  expect(refused.status).toBe(403)
  expect(await refused.text()).toContain('does not say when it came out')
  const other = await stranger({ witnesses }, [one.machine])
  const { source, note } = await asked(other)
  expect([source, note]).toEqual(['peer', '1 of 2 witnesses needed'])
})

function holders({ node }: Machine): readonly string[] {
  return node.questions.holders(witnessKeyOf(about()))
}

test.skipIf(process.platform === 'win32')('its key is for its user alone', async () => {
  const path = join(folder, 'deep', 'witness.key')
  const made = keyIdOf((await readWitnessKey(path)).publicKey)
  expect((await stat(path)).mode & 0o777).toBe(0o600)
  expect(keyIdOf((await readWitnessKey(path)).publicKey)).toBe(made)
})

// The last: no witness answers any more.
test('a word is relayed by who has verified it', { timeout: 30_000 }, async () => {
  const gateway = { witnesses: [one.id, two.id] }
  const relay = await stranger(gateway, [one.machine, two.machine])
  expect((await asked(relay)).source).toBe('registry')
  await vi.waitFor(() => expect(holders(one.machine)).toContain(relay.node.id), 10_000)
  await one.machine.gateway.stop()
  await two.machine.gateway.stop()
  await swarm.registry.stop()
  const machine = await stranger(gateway, [relay])
  const { source, note } = await asked(machine)
  expect([source, note]).toEqual(['verified', '2 of 2 witnesses agree'])
})
