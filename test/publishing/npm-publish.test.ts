/**
 * npm's own commands on packages of the network, with no registry: what they change, and what they are refused. From one machine to
 * the next, with every client: test/net/publishing-story.test.ts and, where there are no namespaces, client-publish.test.ts.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { mustRunClient, runClient, type ClientResult } from '../support/client.ts'
import type { ClientName } from '../support/clients.ts'
import { meet, type Machine } from '../support/machines/machine.ts'
import {
  ann as publisher,
  annsKey as key,
  machinesOfEachTest,
  TOKEN,
} from '../support/machines/network-machine.ts'

const NAME = '@acme/tool'

const world = machinesOfEachTest()
const { machine, project } = world

async function npm(
  at: Machine,
  cwd: string,
  args: readonly string[],
  { token = TOKEN, client = 'npm-12' }: { token?: string; client?: ClientName } = {},
): Promise<ClientResult> {
  const run = { cwd, registry: at.url, home: join(world.folder, `home-${at.port}`) }
  const config = token === '' ? [] : [`--//127.0.0.1:${at.port}/:_authToken=${token}`]
  return await runClient(client, [...args, ...config], run)
}

async function mustNpm(at: Machine, cwd: string, args: readonly string[]): Promise<string> {
  const { exitCode, output } = await npm(at, cwd, args)
  if (exitCode !== 0) throw new Error(`npm ${args.join(' ')}: ${output}`)
  return output
}

const packageOf = (version: string) => ({ name: NAME, version, main: 'index.js' })
const tool = (version: string): Promise<string> => project(`tool-${version}`, packageOf(version))

/** The version that npm resolves and installs there. */
async function installed(at: Machine): Promise<string> {
  const cwd = await project('app', { name: 'app', version: '1.0.0', private: true })
  await mustNpm(at, cwd, ['install', NAME])
  const path = join(cwd, 'node_modules', NAME, 'package.json')
  return (JSON.parse(await readFile(path, 'utf8')) as { version: string }).version
}

test('a new version, a tag, a deprecation, a version withdrawn: npm says them, and the others see them', async () => {
  const [here, there] = [await machine('here', key), await machine('there')]
  await meet(there.node, here.node, 0)
  await mustNpm(here, await tool('1.0.0'), ['publish'])
  await mustNpm(here, await tool('1.1.0'), ['publish', '--tag', 'next'])
  const cwd = await tool('1.1.0')
  expect(await installed(there)).toBe('1.0.0')

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

test('npm login shows a page that wants the token; npm logout forgets it', async () => {
  const here = await machine('here', key)
  const home = join(world.folder, 'home-login')
  const run = { cwd: await tool('1.0.0'), registry: here.url, home }
  const printed = Promise.withResolvers<string>()
  const onOutput = (text: string): void => {
    const [address] = /http\S+\/-\/catalog\/login\/\S+/.exec(text) ?? []
    if (address !== undefined) printed.resolve(address)
  }
  const login = mustRunClient('npm-12', ['login'], { ...run, onOutput })
  const address = await printed.promise
  const page = await fetch(address)
  expect(page.headers.get('content-security-policy')).toContain("form-action 'self'")
  expect(await page.text()).toContain('catalog token')
  const send = async (token: string, headers = {}): Promise<number> => {
    const body = new URLSearchParams({ token })
    return (await fetch(address, { method: 'POST', body, headers })).status
  }
  expect(await send(TOKEN, { origin: 'http://127.0.0.1:1' })).toBe(403)
  expect(await send('another')).toBe(403)
  expect(await send(TOKEN, { origin: here.url })).toBe(200)
  await login
  expect((await fetch(address)).status).toBe(404)
  const npmrc = await readFile(join(home, '.npmrc'), 'utf8')
  expect(npmrc).toContain(`//127.0.0.1:${here.port}/:_authToken=${TOKEN}`)

  // As npm whoami and npm logout ask.
  const headers = { authorization: `Bearer ${TOKEN}` }
  const who = await fetch(`${here.url}/-/whoami`, { headers })
  expect(await who.json()).toEqual({ username: 'catalog' })
  const logout = { method: 'DELETE', headers }
  expect((await fetch(`${here.url}/-/user/token/${TOKEN}`, logout)).status).toBe(200)
})

test('who may publish is said by the trust file: npm owner, access and star get told so', async () => {
  const here = await machine('here', key)
  const cwd = await tool('1.0.0')
  await mustNpm(here, cwd, ['publish'])
  expect(await mustNpm(here, cwd, ['owner', 'ls', NAME])).toContain(publisher)
  const access = await npm(here, cwd, ['access', 'set', 'status=private', NAME])
  // npm 12 has no star any more.
  const star = await npm(here, cwd, ['star', NAME], { client: 'npm-11' })
  const owner = await npm(here, cwd, ['owner', 'add', 'bob', NAME])
  expect(owner.output).toContain('there are no users here, only keys')
  for (const { exitCode, output } of [access, star, owner]) {
    expect(exitCode).toBe(1)
    expect(output).toContain('its owners are the keys in the trust file')
  }
})
