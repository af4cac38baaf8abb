/** `catalog publish` through a daemon: a tarball, a folder that npm packs, and what is refused. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { writeDaemonFile } from '../../gateway/src/admin/daemon-client.ts'
import { documentOf } from '../../gateway/src/cli/publish/document.ts'
import { readPackage } from '../../gateway/src/cli/publish/read-package.ts'
import { isolatedEnvironment } from '../support/client.ts'
import { makePackage } from '../support/fixture-packages.ts'
import {
  ADMIN_TOKEN,
  annsKey,
  networkMachines,
  type NetworkMachines,
} from '../support/network-machine.ts'
import { signalOf } from '../support/publishing.ts'
import { runCatalog, type CatalogRun } from '../support/run-catalog.ts'

const NAME = '@acme/tool'

let world: NetworkMachines
beforeEach(async () => {
  world = await networkMachines()
})
afterEach(() => world[Symbol.asyncDispose]())

async function daemon(): Promise<(...args: readonly string[]) => Promise<CatalogRun>> {
  const { node, port, url } = await world.machine('here', annsKey)
  const store = join(world.folder, 'store')
  await mkdir(store)
  const info = { id: node.id, port, url: `${url}/`, token: ADMIN_TOKEN }
  await writeDaemonFile(store, { ...info, pid: process.pid, version: '0.0.0', startedAtMs: 0 })
  return (...args) => runCatalog(world.folder, 'publish', ...args, '--store', store)
}

async function tarball(name: string, version: string, fields = {}): Promise<string> {
  const path = join(world.folder, 'package.tgz')
  await writeFile(path, makePackage(name, version, fields).tarball)
  return path
}

test('publishes a tarball, prints its asset id, and refuses what must not be published', async () => {
  const publish = await daemon()
  const first = await publish(await tarball(NAME, '1.0.0'), '--tag', 'next')
  expect(first).toMatchObject({ exitCode: 0 })
  expect(first.lines[0]).toMatch(/^catalog:@acme\/tool@1\.0\.0:[0-9a-f]{64}$/)
  const [head] = world.machines[0]?.node.publications.own() ?? []
  expect(head?.tags).toEqual(new Map([['next', '1.0.0']]))

  const again = await publish(await tarball(NAME, '1.0.0'))
  expect(again.error).toContain('is published already')
  const other = await publish(await tarball('other', '1.0.0'))
  expect(other.error).toContain('other is no package of the network')
  const secret = await publish(await tarball(NAME, '1.1.0', { private: true }))
  expect(secret.error).toContain('says that it is private')
  const early = await publish(await tarball(NAME, '2.0.0-rc.1'))
  expect(early.error).toContain('say which tag it gets')
  await writeFile(join(world.folder, 'notes.txt'), 'nothing')
  expect((await publish('notes.txt')).error).toContain('the archive is no package')
  expect((await publish('nowhere')).error).toContain('is not there')
  for (const { exitCode } of [again, other, secret, early]) expect(exitCode).not.toBe(0)
})

test('a folder is packed by npm, and none of its scripts run', async () => {
  const scripts = { prepack: 'exit 1', prepare: 'exit 1' }
  const cwd = await world.project('tool', { name: NAME, version: '1.0.0', scripts })
  const home = join(world.folder, 'home')
  await mkdir(join(home, 'tmp'), { recursive: true })
  const packed = await readPackage(cwd, { env: isolatedEnvironment(home), ...signalOf() })
  expect(await documentOf(packed, undefined)).toMatchObject({
    ...{ name: NAME, 'dist-tags': { latest: '1.0.0' } },
  })
})

test('without npm a folder is refused, with what to do instead', async () => {
  const cwd = await world.project('tool', { name: NAME, version: '1.0.0' })
  const packing = readPackage(cwd, { env: { PATH: join(world.folder, 'empty') }, ...signalOf() })
  await expect(packing).rejects.toThrow('there is no npm here')
})
