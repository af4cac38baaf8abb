/**
 * Machines that the root of their private swarm has certified share metadata, with real QUIC between them: the registry gives
 * each document about once. Others do not, nothing private goes that way, and what a machine says that lies, or is revoked, is not
 * what gets installed.
 */
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest'
import {
  MEMBER_METADATA,
  type MemberResponse,
} from '../../gateway/src/packuments/members/member-protocol.ts'
import { certifiedSwarm, type CertifiedSwarm } from '../support/certified-swarm.ts'
import { makePackage } from '../support/fixture-packages.ts'
import type { Machine } from '../support/machines/machine.ts'
import { signedSwarm, type SignedSwarm } from '../support/signed-swarm.ts'
import { tarballPath } from '../support/registries/registry.ts'

const many = Array.from({ length: 30 }, (_, index) => makePackage(`fx-many-${index}`, '1.0.0'))
const later = Array.from({ length: 8 }, (_, index) => makePackage(`fx-later-${index}`, '1.0.0'))
const own = Array.from({ length: 4 }, (_, index) => makePackage(`@fx/own-${index}`, '1.0.0'))
const [old, latest] = ['1.0.0', '1.0.1'].map((version) => makePackage('fx-versions', version))
if (old === undefined || latest === undefined) throw new Error('no packages')
const namesOf = (of: readonly { name: string }[]): string[] => of.map(({ name }) => name)

let folder: string
let swarm: SignedSwarm
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'catalog-fleet-'))
  swarm = await signedSwarm(folder, [...many, ...later, ...own, old, latest])
})
afterEach(async () => {
  await swarm[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

function certified(options?: Parameters<typeof certifiedSwarm>[1]): CertifiedSwarm {
  const made = certifiedSwarm(swarm, options)
  onTestFinished(() => made[Symbol.asyncDispose]())
  return made
}

/** Whose word each document is that a client gets. */
async function resolve(machine: Machine, names: readonly string[]): Promise<string[]> {
  const asked = names.map(async (name) => {
    const response = await fetch(`${machine.url}/${name.replace('/', '%2f')}`)
    expect(await response.json()).toMatchObject({ name, versions: { '1.0.0': {} } })
    return response.headers.get('x-catalog-metadata') ?? ''
  })
  return await Promise.all(asked)
}

async function untilAborted(signal: AbortSignal): Promise<never> {
  await once(signal, 'abort')
  throw signal.reason
}

/** Documents that the registry was asked for since this was called last, for each of so many packages. */
function copies(ofPackages: number): number {
  const count = swarm.registry.count('packument')
  swarm.registry.forget()
  return count / ofPackages
}

test(
  'four machines cost the registry one copy of each document; one that is revoked is out at once',
  { tags: ['long'] },
  async () => {
    const group = certified()
    const machines: Machine[] = []
    while (machines.length < 4) machines.push(await group.machine({ privateScopes: ['@fx'] }))
    const all = (names: readonly string[]): Promise<string[][]> =>
      Promise.all(machines.map((machine) => resolve(machine, names)))

    const said = (await all(namesOf(many))).flat()
    // One; on a machine too busy for a delegate to say in time that it is at it, some are fetched again.
    const first = copies(many.length)
    expect(first).toBeGreaterThanOrEqual(1)
    expect(first).toBeLessThan(4)
    expect(said).toContain('member')
    const given = machines.map(({ node }) => node.stats().fleet.metadata.given)
    expect(given.filter((count) => count > 0).length).toBeGreaterThan(1)

    expect((await all(namesOf(own))).flat()).toEqual(Array(16).fill('registry'))
    expect(copies(own.length)).toBe(4)

    const [gone, ...left] = machines
    if (gone === undefined) throw new Error('no machine')
    group.revoke(gone)
    expect(await resolve(gone, namesOf(later))).toEqual(later.map(() => 'registry'))
    for (const { node } of left) {
      for (const { name } of later) {
        const of = { registry: `${swarm.registry.url}/`, name }
        expect(node.fleet.metadata.delegateOf(of)).not.toBe(gone.node.id)
      }
    }
  },
)

test('machines that only share a key ask the registry, each for itself', async () => {
  const names = namesOf(later)
  const group = certified({ root: false })
  for (const machine of [await group.machine(), await group.machine()]) {
    // On a busy machine the registry may be silent for so long that a peer's document comes first; it is no member's.
    expect(await resolve(machine, names)).not.toContain('member')
    expect(copies(names.length)).toBe(1)
  }
})

test('a machine that lies costs one more question, and the package is installed as the registry has it', async () => {
  const group = certified()
  const victim = await group.machine()
  const liar = await group.machine({ gateway: { fleetMetadata: false } })
  const { fleet } = victim.node
  // Never late, however busy this machine is: what is late is tried elsewhere.
  const patient = { heard: () => undefined, late: untilAborted }
  Object.assign(fleet.metadata, { delegateOf: () => liar.node.id, watch: () => patient })
  const said = new Map<string, unknown>()
  const answering = liar.node.questions.answer(MEMBER_METADATA, {
    maxStreamsPerPeer: 8,
    async answer({ name }): Promise<MemberResponse> {
      const document = gzipSync(JSON.stringify(said.get(name)))
      return { status: 'document', kind: 'full', lifetimeMs: 60_000, document }
    },
  })
  onTestFinished(() => answering.stop())
  type Dist = { integrity: string; signatures?: unknown[] }
  type Document = { versions: Record<string, { dist: Dist }> }
  const truth = async (name: string): Promise<Document> =>
    (await (await fetch(`${swarm.registry.url}/${name}`)).json()) as Document
  const evil = makePackage('fx-evil', '1.0.0')
  const [signed, stripped] = namesOf(later)
  if (signed === undefined || stripped === undefined) throw new Error('no packages')
  const lie = async (
    name: string,
    version: string,
    change: (dist: Dist) => void,
  ): Promise<void> => {
    const document = await truth(name)
    const dist = document.versions[version]?.dist
    if (dist === undefined) throw new Error('no version')
    change(Object.assign(dist, { integrity: evil.integrity }))
    said.set(name, document)
  }

  // What is true comes from it.
  said.set('fx-many-0', await truth('fx-many-0'))
  expect(await resolve(victim, ['fx-many-0'])).toEqual(['member'])

  // The limit that docs/threat-model.md names: dependencies are believed, and the bytes are the registry's all the same.
  const [, forged] = many
  if (forged === undefined) throw new Error('no package')
  const { versions } = await truth(forged.name)
  Object.assign(versions['1.0.0'] ?? {}, { dependencies: { 'fx-many-0': '1.0.0' } })
  said.set(forged.name, { ...(await truth(forged.name)), versions })
  expect(await resolve(victim, [forged.name])).toEqual(['member'])
  const bytes = await (await fetch(victim.url + tarballPath(forged))).arrayBuffer()
  expect(Buffer.compare(Buffer.from(bytes), forged.tarball)).toBe(0)

  await lie(stripped, '1.0.0', (dist) => delete dist.signatures)
  expect(await resolve(victim, [stripped])).toEqual(['registry'])

  // Looked at when it is used: no tag or range can pick it.
  await lie('fx-versions', '1.0.0', (dist) => delete dist.signatures)
  expect(await resolve(victim, ['fx-versions'])).toEqual(['member'])
  const tarball = await fetch(victim.url + tarballPath(old))
  expect(Buffer.compare(Buffer.from(await tarball.arrayBuffer()), old.tarball)).toBe(0)
  expect(await resolve(victim, ['fx-versions'])).toEqual(['registry'])

  await lie(signed, '1.0.0', () => undefined)
  expect(await resolve(victim, [signed])).toEqual(['registry'])
  expect(victim.node.stats().bannedPeers).toBe(1)
})
