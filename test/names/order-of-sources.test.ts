/**
 * The order in which metadata is asked for: a registry that says nothing is not waited for where peers know the package, its answer
 * is taken in behind theirs, and what the registry once said itself is added to, never replaced. Real QUIC.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { packageKeyOf } from '@catalog-p2p/core'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { makePackage, type FixturePackage } from '../support/fixture-packages.ts'
import { meet, type Machine } from '../support/machines/machine.ts'
import { tarballPath } from '../support/registries/registry.ts'
import { signedSwarm, type SignedSwarm } from '../support/signed-swarm.ts'

const one = makePackage('fx-order', '1.0.0')
const two = makePackage('fx-order', '2.0.0', { dependencies: { 'fx-leaf': '^1.0.0' } })
const other = makePackage('fx-other', '1.0.0')

let folder: string
let swarm: SignedSwarm
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'catalog-order-'))
  swarm = await signedSwarm(folder, [one, other])
})
afterEach(async () => {
  swarm.registry.release()
  await swarm[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

interface Told {
  readonly source: string | null
  readonly status: number
  readonly versions: readonly string[]
  readonly latest: string | undefined
}

async function told(machine: Machine, name = one.name): Promise<Told> {
  const response = await fetch(`${machine.url}/${name}`)
  const body = (await response.json()) as {
    'dist-tags'?: { latest?: string }
    versions?: Record<string, unknown>
  }
  return {
    source: response.headers.get('x-catalog-metadata'),
    status: response.status,
    versions: Object.keys(body.versions ?? {}),
    latest: body['dist-tags']?.latest,
  }
}

async function whenListed(machine: Machine, name = one.name): Promise<void> {
  const key = packageKeyOf({ registry: `${swarm.registry.url}/`, name })
  await vi.waitFor(() => expect(machine.node.questions.holders(key)).toHaveLength(1), 10_000)
}

/** Connected, and it knows that the other has these. */
async function beside(first: Machine, options = {}): Promise<Machine> {
  const machine = await swarm.machine(options)
  await meet(machine.node, first.node, 0)
  await whenListed(machine)
  return machine
}

async function bytesOf(machine: Machine, each: FixturePackage): Promise<Buffer> {
  const response = await fetch(machine.url + tarballPath(each))
  return Buffer.from(await response.arrayBuffer())
}

describe('a registry that hangs', () => {
  test('is not waited for where a peer knows the package, and its answer is taken in behind', async () => {
    const first = await swarm.machine()
    await told(first)
    const second = await beside(first)
    swarm.registry.forget()
    swarm.registry.hang()
    expect(await told(second)).toMatchObject({ status: 200, source: 'peer', versions: ['1.0.0'] })
    expect(swarm.registry.count('packument')).toBe(1)
    swarm.registry.release()
    // Without another question to it.
    await expect.poll(() => told(second)).toMatchObject({ status: 200, source: 'registry' })
    expect(swarm.registry.count('packument')).toBe(1)
  })

  test('is waited for where nobody else knows it', async () => {
    const first = await swarm.machine()
    await told(first)
    const second = await beside(first)
    swarm.registry.hang()
    const asked = told(second, other.name)
    // By then peers have been asked about another package.
    expect(await told(second)).toMatchObject({ source: 'peer' })
    swarm.registry.release()
    expect(await asked).toMatchObject({ status: 200, source: 'registry' })
  })
})

describe('what the registry said itself, before it went away', () => {
  test.each([{ peersOnly: true }, { peersOnly: false }])(
    'lacks a version that a peer knows of: %j',
    async ({ peersOnly }) => {
      const cachePath = join(folder, 'metadata')
      const before = await swarm.machine({ cachePath })
      expect((await told(before)).versions).toEqual(['1.0.0'])
      await before[Symbol.asyncDispose]()
      swarm.registry.publish(two)
      const first = await swarm.machine()
      expect((await told(first)).versions).toEqual(['1.0.0', '2.0.0'])
      await bytesOf(first, two)
      await swarm.registry.stop()
      const second = await beside(first, { cachePath, peersOnly, gateway: { maxAgeMs: 0 } })
      // Its own tag stays where it was. A peer that takes its time adds to the next answer.
      await expect
        .poll(() => told(second), { timeout: 10_000 })
        .toEqual({
          ...{ status: 200, source: 'peer', latest: '1.0.0' },
          versions: ['1.0.0', '2.0.0'],
        })
      expect((await bytesOf(second, two)).equals(two.tarball)).toBe(true)
    },
  )

  test('lacks a version that is asked for by its exact name', async () => {
    const cachePath = join(folder, 'metadata')
    const before = await swarm.machine({ cachePath })
    await told(before)
    await before[Symbol.asyncDispose]()
    swarm.registry.publish(two)
    const first = await swarm.machine()
    await told(first)
    await swarm.registry.stop()
    // Young enough to be believed, if it had it.
    const second = await beside(first, { cachePath, peersOnly: true })
    const response = await fetch(`${second.url}/${two.name}/2.0.0`)
    expect([response.status, response.headers.get('x-catalog-metadata')]).toEqual([200, 'peer'])
    const document = (await response.json()) as { version: string; dist: { integrity: string } }
    expect([document.version, document.dist.integrity]).toEqual(['2.0.0', two.integrity])
    expect((await fetch(`${second.url}/${two.name}/9.9.9`)).status).toBe(404)
  })
})
