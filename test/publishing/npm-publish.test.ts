/** Packages of the network with real clients and no registry: published on one machine, installed on another over real QUIC. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { keyIdOf, type CatalogNode, type HybridKey } from '@catalog-p2p/core'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { toKeyFile } from '../../gateway/src/publisher-keys/key-file.ts'
import { openKeyFolder } from '../../gateway/src/publisher-keys/key-folder.ts'
import { mustRunClient, runClient, type ClientResult } from '../support/client.ts'
import type { ClientName } from '../support/clients.ts'
import { meet, quietNode, startMachine, type Machine } from '../support/machine.ts'
import { keyOf } from '../support/publishing.ts'

const NAME = '@acme/tool'
const TOKEN = 'catalog_a-token-for-tests-only'
const key = keyOf('ann')
const publisher = keyIdOf(key.publicKey)

let folder: string
const machines: Machine[] = []
const nodes: CatalogNode[] = []
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'catalog-publish-'))
})
afterEach(async () => {
  await Promise.all(machines.splice(0).map((machine) => machine[Symbol.asyncDispose]()))
  await Promise.all(nodes.splice(0).map((node) => node.close()))
  await rm(folder, { recursive: true, force: true })
})

/** With no registry behind it; it trusts Ann for @acme, and holds the key if it is given one. */
async function machine(name: string, own?: HybridKey): Promise<Machine> {
  const config = join(folder, name)
  await mkdir(config, { recursive: true })
  const trustPath = join(config, 'trust.txt')
  await writeFile(trustPath, `@acme key ${publisher}\n`, { mode: 0o600 })
  if (own !== undefined) {
    const file = await toKeyFile(own, { passphrase: undefined, createdAt: new Date() })
    await openKeyFolder(config).add('default', file)
  }
  const node = await quietNode({}, { trustsPublisher: (id) => id.publisher === publisher })
  nodes.push(node)
  const made = await startMachine({
    ...{ node, peersOnly: true, upstream: 'http://127.0.0.1:9/' },
    gateway: { trustPath, keyFolderPath: config, publishToken: TOKEN },
  })
  machines.push(made)
  return made
}

async function project(name: string, manifest: object): Promise<string> {
  const cwd = join(folder, name)
  await mkdir(cwd, { recursive: true })
  await writeFile(join(cwd, 'package.json'), JSON.stringify(manifest))
  await writeFile(join(cwd, 'index.js'), 'module.exports = 42\n')
  return cwd
}

async function npm(
  at: Machine,
  cwd: string,
  args: readonly string[],
  { token = TOKEN }: { token?: string } = {},
): Promise<ClientResult> {
  const run = { cwd, registry: at.url, home: join(folder, `home-${at.port}`) }
  const config = token === '' ? [] : [`--//127.0.0.1:${at.port}/:_authToken=${token}`]
  return await runClient('npm-12', [...args, ...config], run)
}

async function mustNpm(at: Machine, cwd: string, args: readonly string[]): Promise<string> {
  const { exitCode, output } = await npm(at, cwd, args)
  if (exitCode !== 0) throw new Error(`npm ${args.join(' ')}: ${output}`)
  return output
}

const packageOf = (version: string) => ({ name: NAME, version, main: 'index.js' })
const tool = (version: string): Promise<string> => project(`tool-${version}`, packageOf(version))

/** The version that a client resolves and installs there. */
async function installed(at: Machine, client: ClientName, wanted = NAME): Promise<string> {
  const cwd = await project(`app-${machines.indexOf(at)}-${client}`, {
    ...{ name: 'app', version: '1.0.0', private: true },
  })
  const home = join(folder, `home-${machines.indexOf(at)}-${client}`)
  const args = client.startsWith('npm') ? ['install', wanted] : ['add', wanted]
  // Deno takes nothing that is younger than a day, unless told otherwise.
  const own = client === 'deno' ? ['add', '--minimum-dependency-age=0', `npm:${wanted}`] : args
  await mustRunClient(client, own, { cwd, registry: at.url, home })
  const path = join(cwd, 'node_modules', NAME, 'package.json')
  return (JSON.parse(await readFile(path, 'utf8')) as { version: string }).version
}

test('npm publishes on one machine, and another installs it', async () => {
  const [here, there] = [await machine('here', key), await machine('there')]
  await meet(there.node, here.node, 0)
  const published = await mustNpm(here, await tool('1.0.0'), ['publish'])
  expect(published).toContain(`published to the network as ${publisher}: catalog:${NAME}@1.0.0:`)
  for (const client of ['npm-12', 'pnpm-12', 'bun', 'deno'] as const) {
    expect({ client, version: await installed(there, client) }).toEqual({
      ...{ client, version: '1.0.0' },
    })
  }
})

test('a new version, a tag, a deprecation, a version withdrawn: npm says them, and the others see them', async () => {
  const [here, there] = [await machine('here', key), await machine('there')]
  await meet(there.node, here.node, 0)
  await mustNpm(here, await tool('1.0.0'), ['publish'])
  await mustNpm(here, await tool('1.1.0'), ['publish', '--tag', 'next'])
  const cwd = await tool('1.1.0')
  expect(await installed(there, 'npm-12')).toBe('1.0.0')

  const again = await npm(here, cwd, ['publish', '--tag', 'next'])
  expect(again.exitCode).not.toBe(0)
  expect(again.output).toMatch(/1\.1\.0/)

  await mustNpm(here, cwd, ['dist-tag', 'add', `${NAME}@1.1.0`, 'latest'])
  expect(await mustNpm(here, cwd, ['dist-tag', 'ls', NAME])).toContain('latest: 1.1.0')
  await mustNpm(here, cwd, ['deprecate', `${NAME}@1.0.0`, 'use 1.1 instead'])
  const seen = async () => await mustNpm(here, cwd, ['view', `${NAME}@1.0.0`, 'deprecated'])
  expect(await seen()).toContain('use 1.1 instead')
  await mustNpm(here, cwd, ['unpublish', `${NAME}@1.0.0`])
  expect(await mustNpm(here, cwd, ['view', NAME, 'versions', '--json'])).not.toContain('1.0.0')
})

test('only with the token, and only with a key that the trust file names', async () => {
  const [here, other] = [await machine('here', key), await machine('other')]
  const cwd = await tool('1.0.0')
  const without = await npm(here, cwd, ['publish'], { token: 'somebody-elses' })
  expect(without.exitCode).not.toBe(0)
  expect(without.output).toContain("needs this gateway's token")
  const keyless = await npm(other, cwd, ['publish'])
  expect(keyless.exitCode).not.toBe(0)
  expect(keyless.output).toContain(`no key of this machine may publish ${NAME}`)
  expect(here.node.publications.own()).toEqual([])
})

test('a third machine installs from the second when the first has gone', async () => {
  const [first, second] = [await machine('first', key), await machine('second')]
  await meet(second.node, first.node, 0)
  await mustNpm(first, await tool('1.0.0'), ['publish'])
  expect(await installed(second, 'npm-12')).toBe('1.0.0')
  await first.gateway.stop()
  await first.node.close()
  const third = await machine('third')
  await meet(third.node, second.node, 2)
  expect(await installed(third, 'npm-12')).toBe('1.0.0')
})
