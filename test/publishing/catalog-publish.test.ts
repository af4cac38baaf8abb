/** `catalog publish` and `catalog share` through a daemon: a tarball, a folder that npm packs, and what is refused. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { digestOf } from '@catalog-p2p/core'
import { describe, expect, test } from 'vitest'
import { writeDaemonFile } from '../../gateway/src/admin/daemon-client.ts'
import { documentOf } from '../../gateway/src/cli/publish/document.ts'
import { readPackage } from '../../gateway/src/cli/publish/read-package.ts'
import { sharePath } from '../../gateway/src/sharing/share-address.ts'
import { isolatedEnvironment, mustRunClient } from '../support/client.ts'
import type { ClientName } from '../support/clients.ts'
import { makePackage } from '../support/fixture-packages.ts'
import { ADMIN_TOKEN, annsKey, machinesOfEachTest } from '../support/machines/network-machine.ts'
import { meet, type Machine } from '../support/machines/machine.ts'
import { signalOf } from '../support/registries/publishing.ts'
import { runCatalog, type CatalogRun } from '../support/run-catalog.ts'
import { packTarball } from '../support/tarball.ts'

const NAME = '@acme/tool'

const world = machinesOfEachTest()

type Catalog = (...args: readonly string[]) => Promise<CatalogRun>

async function daemon(command: string): Promise<Catalog> {
  const { node, port, url } = await world.machine('here', annsKey)
  const store = join(world.folder, 'store')
  await mkdir(store)
  const info = { id: node.id, port, url: `${url}/`, token: ADMIN_TOKEN }
  await writeDaemonFile(store, { ...info, pid: process.pid, version: '0.0.0', startedAtMs: 0 })
  return (...args) => runCatalog(world.folder, command, ...args, '--store', store)
}

async function tarball(name: string, version: string, fields = {}): Promise<string> {
  const path = join(world.folder, 'package.tgz')
  await writeFile(path, makePackage(name, version, fields).tarball)
  return path
}

test('publishes a tarball, prints its asset id, and refuses what must not be published', async () => {
  const publish = await daemon('publish')
  const first = await publish(await tarball(NAME, '1.0.0'), '--tag', 'next')
  expect(first).toMatchObject({ exitCode: 0 })
  expect(first.lines[0]).toMatch(/^catalog:@acme\/tool@1\.0\.0:[0-9a-f]{64}$/)
  const [head] = world.machines[0]?.node.publications.own() ?? []
  expect(head?.tags).toEqual(new Map([['next', '1.0.0']]))

  // With a byte order mark, as some editors write it.
  const marked = Buffer.from(`\uFEFF${JSON.stringify({ name: NAME, version: '1.0.1' })}`)
  const path = join(world.folder, 'marked.tgz')
  await writeFile(path, packTarball([{ path: 'package.json', content: marked }]))
  expect(await publish(path)).toMatchObject({ exitCode: 0 })

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

/** The address that was printed, at the gateway of another machine: in life all have the same. */
function addressAt({ url }: Machine, { lines }: CatalogRun): { spec: string; href: string } {
  const [, name = '', path = ''] =
    /(@acme\/tool)@http:\/\/127\.0\.0\.1:\d+(\S+)$/.exec(lines[0] ?? '') ?? []
  return { spec: `${name}@${url}${path}`, href: `${url}${path}` }
}

const OLDER: readonly ClientName[] = ['npm-10', 'pnpm-10', 'yarn-1']
const NEWEST: readonly ClientName[] = ['npm-12', 'pnpm-12', 'yarn-4', 'bun']

describe('what is shared', () => {
  test('is to be had at every machine by its address, from whoever still has it, and nowhere else', async () => {
    const share = await daemon('share')
    const shared = await share(await tarball(NAME, '1.0.0'))
    expect(shared).toMatchObject({ exitCode: 0, lines: [expect.stringContaining('npm install')] })
    expect(shared.error).toContain('is now public')
    const [here] = world.machines
    const there = await world.machine('there')
    const third = await world.machine('third')
    if (here === undefined) throw new Error('no machine')
    await meet(there.node, here.node, 1)
    const bytes = await readFile(join(world.folder, 'package.tgz'))
    const got = await fetch(addressAt(there, shared).href)
    expect(Buffer.compare(Buffer.from(await got.arrayBuffer()), bytes)).toBe(0)
    expect((await share('--list')).lines[1]).toMatch(
      /^\d{4}-\d\d-\d\d {2}shared {2}@acme\/tool@http/,
    )

    await share('--remove', `${NAME}@1.0.0`)
    expect((await share('--list')).lines).toEqual(['nothing is shared'])
    await meet(third.node, there.node, 1)
    expect((await fetch(addressAt(third, shared).href)).status).toBe(200)
    const digest = digestOf(bytes)
    for (const { node } of [there, third]) await node.remove(digest)
    const gone = await fetch(addressAt(here, shared).href)
    expect(gone.status).toBe(404)
    expect(await gone.text()).toContain('no machine has it now')
  })

  test('is never what is private: of a name that is, of a package that says so, of bytes that are', async () => {
    const share = await daemon('share')
    const [here] = world.machines
    if (here === undefined) throw new Error('no machine')
    const path = await tarball(NAME, '1.0.0', { private: true })
    expect((await share(path)).error).toContain('says it is private')
    const digest = await here.node.put(await readFile(path), { visibility: 'private' })
    const address = sharePath({ digest, name: NAME, version: '1.0.0' })
    expect((await fetch(`${here.url}/${address}`)).status).toBe(404)
    expect((await share(path, '--even-if-private')).exitCode).toBe(0)
    expect((await fetch(`${here.url}/${address}`)).status).toBe(200)
    // Nothing in it says so, but it came with credentials.
    const got = await tarball(NAME, '2.0.0')
    await here.node.put(await readFile(got), { visibility: 'private' })
    expect((await share(got)).error).toContain('has @acme/tool as a private package')
    expect((await share('nowhere')).error).toContain('is not there')
    expect((await share('--remove', 'other')).error).toContain('nothing like that is shared')
  })

  for (const [which, clients] of Object.entries({ OLDER, NEWEST })) {
    const tags = which === 'OLDER' ? ['long'] : []
    test(`is installed elsewhere by ${clients.join(', ')}`, { tags }, async () => {
      const shared = await (await daemon('share'))(await tarball(NAME, '1.0.0'))
      const there = await world.machine('there')
      await meet(there.node, world.machines[0]?.node ?? there.node, 1)
      const { spec } = addressAt(there, shared)
      for (const client of clients) {
        const cwd = await world.project(client, { name: 'app', version: '1.0.0', private: true })
        if (client === 'yarn-4') await writeFile(join(cwd, 'yarn.lock'), '')
        const run = { cwd, registry: there.url, home: join(world.folder, `home-${client}`) }
        const isNpm = client.startsWith('npm')
        const args = isNpm ? ['install', '--allow-remote=root', spec] : ['add', spec]
        await mustRunClient(client, args, run)
        // Anew, from the lockfile that this has made.
        if (client === 'npm-12') await mustRunClient(client, ['ci', '--allow-remote=root'], run)
        const installed = join(cwd, 'node_modules', NAME, 'package.json')
        expect(JSON.parse(await readFile(installed, 'utf8'))).toMatchObject({ version: '1.0.0' })
      }
    })
  }
})
