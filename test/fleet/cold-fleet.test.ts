/**
 * Machines that start cold on the same packages behind one registry, with real QUIC between them: whoever asks, and however,
 * the registry sends each tarball about once.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { fixturePackages, type FixturePackage } from '../support/fixture-packages.ts'
import { meet, type Machine, type MachineOptions } from '../support/machines/machine.ts'
import { signedSwarm, type SignedSwarm } from '../support/signed-swarm.ts'
import { tarballPath } from '../support/registries/registry.ts'

const packages = fixturePackages()

let folder: string
let swarm: SignedSwarm
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'catalog-fleet-'))
  swarm = await signedSwarm(folder, packages)
})
afterEach(async () => {
  await swarm[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

async function fleet(count: number, options: Partial<MachineOptions> = {}): Promise<Machine[]> {
  const machines: Machine[] = []
  for (let index = 0; index < count; index += 1) {
    const machine = await swarm.machine({ fleet: true, ...options })
    for (const other of machines) await meet(machine.node, other.node, 0)
    machines.push(machine)
  }
  return machines
}

async function install(
  machine: Machine,
  wanted: readonly FixturePackage[],
  { asNpm }: { asNpm: boolean },
): Promise<void> {
  await Promise.all(
    wanted.map(async (each) => {
      const headers = asNpm ? { 'pacote-integrity': each.integrity } : undefined
      const response = await fetch(machine.url + tarballPath(each), headers && { headers })
      const bytes = Buffer.from(await response.arrayBuffer())
      expect({ name: each.name, status: response.status }).toEqual({
        name: each.name,
        status: 200,
      })
      expect(Buffer.compare(bytes, each.tarball)).toBe(0)
    }),
  )
}

/** Copies of all packages that the registry has sent, or how often it was asked for the document of each one's version. */
function copies(kind: 'tarball' | 'packument' = 'tarball'): number {
  return swarm.registry.count(kind) / packages.length
}

describe.each([{ asNpm: true }, { asNpm: false }])('asked with digests: $asNpm', (how) => {
  test('four machines that start together cost the registry one copy', async () => {
    const machines = await fleet(4)
    await Promise.all(machines.map((machine) => install(machine, packages, how)))
    // One; on a machine too busy for a delegate to say in time that it is at it, a few are fetched again.
    expect(copies()).toBeGreaterThanOrEqual(1)
    expect(copies()).toBeLessThan(2)
    // Its delegate asks for that, and passes on what the registry has signed.
    expect(copies('packument')).toBeLessThan(2)
    const fetched = machines.map(({ node }) => node.fleet.stats().fetched)
    expect(fetched.filter((count) => count > 0).length).toBeGreaterThan(1)
  })

  test('one whose registry is another one goes there itself', async () => {
    const other = await signedSwarm(folder, packages)
    try {
      const [here] = await fleet(1)
      const there = await other.machine({ fleet: true })
      if (here === undefined) throw new Error('no machine')
      await meet(here.node, there.node, 0)
      await install(here, packages, how)
      expect(copies()).toBe(1)
      expect(there.node.fleet.stats().fetched).toBe(0)
    } finally {
      await other[Symbol.asyncDispose]()
    }
  })
})

test('a private package is fetched by nobody but the machine that wants it', async () => {
  const scoped = packages.filter(({ name }) => name.startsWith('@fx/'))
  const [first, second] = await fleet(2, { privateScopes: ['@fx'] })
  if (first === undefined || second === undefined) throw new Error('no machines')
  const asked = vi.spyOn(second.node, 'get')
  await install(first, scoped, { asNpm: true })
  await install(first, scoped, { asNpm: false })
  expect(scoped.length).toBeGreaterThan(0)
  expect(asked).not.toHaveBeenCalled()
  expect(second.node.fleet.stats().fetched).toBe(0)
})
