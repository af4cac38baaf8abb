/**
 * A store out of a CI cache in which files have changed, behind real clients: npm, which checks what it gets and would fail
 * for ever, and Yarn 4, which on a first fetch checks nothing and would install whatever lies there. Both install what the
 * registry has, and the store is whole again.
 */
import { cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { digestToHex, parseDigest } from '../../core/src/content/digest.ts'
import { createWorkspace, mustRunClient, type Workspace } from '../support/client.ts'
import { findClient, whyUnavailable } from '../support/clients.ts'
import {
  expectedInstall,
  fixturePackages,
  fixtureProject,
  type FixturePackage,
} from '../support/fixture-packages.ts'
import { asInstalled, readInstalled } from '../support/installed.ts'
import { quietNode, startMachine, type Machine } from '../support/machines/machine.ts'
import { startRegistry, type LoopbackRegistry } from '../support/registries/registry.ts'
import { packTarball } from '../support/tarball.ts'

const packages = fixturePackages()
const expected = expectedInstall(packages)
const installed = packages.filter(({ name, version }) => expected.has(`${name}@${version}`))

let workspace: Workspace
let registry: LoopbackRegistry
/** Filled by a daemon that has ended. */
let cache: string

beforeAll(async () => {
  workspace = await createWorkspace()
  registry = await startRegistry({ packages })
  cache = await workspace.folder('store')
  await onStore(cache, async ({ url }) => {
    for (const each of installed)
      expect((await fetchTarball(url, each)).bytes).toEqual(each.tarball)
  })
})

afterAll(async () => {
  await registry.stop()
  await workspace[Symbol.asyncDispose]()
})

test.for(['npm-12', 'yarn-4'] as const)('%s', async (name, { skip }) => {
  const client = findClient(name)
  const unavailable = whyUnavailable(client)
  if (unavailable !== undefined) skip(unavailable)
  const store = await workspace.folder('restored')
  await cp(cache, store, { recursive: true, preserveTimestamps: true })
  const [leaf, colors, big] = [find('fx-leaf'), find('fx-colors'), find('fx-big')] as const
  await writeFile(fileOf(store, leaf), evilOf(leaf))
  for (const each of [colors, big]) await writeFile(fileOf(store, each), flipped(each.tarball))
  const cwd = await workspace.folder('project')
  await writeFile(join(cwd, 'package.json'), JSON.stringify(fixtureProject))
  registry.forget()

  await onStore(store, async ({ url, gateway }) => {
    const home = await workspace.folder('home')
    await mustRunClient(name, client.install, { cwd, home, registry: url })

    expect(await readInstalled(cwd)).toEqual(asInstalled(packages, expected))
    expect(registry.count('tarball')).toBe(3)
    expect(gateway.stats().tarballs.origin.artifacts).toBe(3)
    expect(gateway.stats().tarballs.store.artifacts).toBe(installed.length - 3)
    for (const each of [leaf, colors, big]) {
      expect(await fetchTarball(url, each)).toEqual({ source: 'store', bytes: each.tarball })
    }
  })
  for (const each of installed) {
    expect(each.tarball.equals(await readFile(fileOf(store, each))), each.name).toBe(true)
  }
})

/** A daemon that keeps nothing in memory. */
async function onStore(path: string, work: (machine: Machine) => Promise<void>): Promise<void> {
  const node = await quietNode({ store: { path, memoryBytes: 0 } })
  try {
    await using machine = await startMachine({ upstream: registry.url, node })
    await work(machine)
  } finally {
    await node.close()
  }
}

async function fetchTarball(
  url: string,
  { name, version }: FixturePackage,
): Promise<{ source: string | null; bytes: Buffer }> {
  const file = `${name.split('/').at(-1)}-${version}.tgz`
  const response = await fetch(`${url}/${name}/-/${file}`)
  const bytes = Buffer.from(await response.arrayBuffer())
  return { source: response.headers.get('x-catalog-source'), bytes }
}

function find(name: string): FixturePackage {
  const found = installed.find((each) => each.name === name)
  if (found === undefined) throw new Error(`no such package: ${name}`)
  return found
}

function fileOf(store: string, { integrity }: FixturePackage): string {
  const hex = digestToHex(parseDigest(integrity))
  return join(store, 'artifacts-v1', hex.slice(0, 2), hex)
}

function flipped(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes)
  copy.writeUInt8(copy.readUInt8(copy.length >> 1) ^ 0x55, copy.length >> 1)
  return copy
}

/** A package that a client can unpack, of the same name, version and size. */
function evilOf({ files, tarball }: FixturePackage): Buffer {
  const kept = files.filter(({ path }) => path !== 'README.md')
  const evil = packTarball(
    kept.map((file) => (file.path === 'index.js' ? { ...file, content: 'evil()' } : file)),
  )
  expect(evil.length).toBeLessThanOrEqual(tarball.length)
  return Buffer.concat([evil, Buffer.alloc(tarball.length - evil.length)])
}
