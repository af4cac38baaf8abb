/**
 * `catalog use` for somebody behind a company's registry, with real clients: a daemon that asks another one is refused, and
 * the daemon that is started afterwards, told nothing, asks the company's. The other registry has a newer version under the
 * same name, which is what every client would take if it ever were asked.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { clientFiles } from '../../gateway/src/clients/client-files.ts'
import type { ClientName as UseName } from '../../gateway/src/clients/client.ts'
import {
  createWorkspace,
  execute,
  isolatedEnvironment,
  type ClientResult,
  type Workspace,
} from '../support/client.ts'
import {
  clientCommand,
  findClient,
  tagsOf,
  whyUnavailable,
  type ClientName,
} from '../support/clients.ts'
import { startDaemon, type Daemon } from '../support/daemon.ts'
import { ALONE } from '../support/exec-run.ts'
import { makePackage } from '../support/fixture-packages.ts'
import { freePort } from '../support/machines/free-port.ts'
import { startRegistry, type LoopbackRegistry } from '../support/registries/registry.ts'
import { catalogProgram } from '../support/catalog-program.ts'

const CATALOG = await catalogProgram()

let workspace: Workspace
let company: LoopbackRegistry
let other: LoopbackRegistry
let stranger: Daemon

beforeAll(async () => {
  workspace = await createWorkspace()
  company = await startRegistry({ packages: [makePackage('fx-inner', '1.0.0')], tarballs: 'self' })
  other = await startRegistry({ packages: [makePackage('fx-inner', '9.9.9')], tarballs: 'self' })
  const port = await freePort()
  const args = [...ALONE, '--port', String(port), '--upstream', other.url]
  stranger = await startDaemon({ args, home: await workspace.folder('stranger'), port })
})

afterAll(async () => {
  await stranger[Symbol.asyncDispose]()
  await other.stop()
  await company.stop()
  await workspace[Symbol.asyncDispose]()
})

/** Where the company's registry is named: the file in the order of client-files.ts, and its text. */
type Case = [ClientName, UseName, at: number, text: (registry: string) => string]
const CASES: readonly Case[] = [
  ['npm-12', 'npm', 0, (url) => `registry=${url}/\n`],
  ['pnpm-10', 'pnpm', 0, (url) => `registry=${url}/\n`],
  ['pnpm-12', 'pnpm', 2, (url) => `registry: ${url}/\n`],
  ['yarn-1', 'yarn', 1, (url) => `registry "${url}/"\n`],
  [
    'yarn-4',
    'yarn',
    0,
    (url) => `npmRegistryServer: '${url}'\nunsafeHttpWhitelist: ['127.0.0.1']\n`,
  ],
  ['bun', 'bun', 0, (url) => `[install]\nregistry = "${url}/"\n`],
]

for (const each of CASES)
  test(each[0], { tags: tagsOf(each[0]) }, ({ skip }) => installs(each, skip))

async function installs([name, use, at, text]: Case, skip: (why: string) => void): Promise<void> {
  const client = findClient(name)
  const unavailable = whyUnavailable(client)
  if (unavailable !== undefined) return skip(unavailable)
  const [home, cwd] = [await workspace.folder('home'), await workspace.folder('project')]
  const env = { ...isolatedEnvironment(home), ...client.variables(home) }
  const place = { env, home, platform: process.platform }
  const path = clientFiles(use, place)[at]?.path ?? ''
  await mkdir(dirname(path), { recursive: true })
  await mkdir(join(home, 'tmp'))
  await writeFile(path, text(company.url))
  const project = { name: 'p', version: '1.0.0', dependencies: { 'fx-inner': '*' } }
  await writeFile(join(cwd, 'package.json'), JSON.stringify(project))
  if (name === 'yarn-4') await writeFile(join(cwd, '.yarnrc.yml'), YARN_SETTINGS)
  const run = (command: readonly string[]): Promise<ClientResult> => {
    const [program = '', ...args] = command
    return execute(program, args, { cwd, env, timeoutMs: 120_000 })
  }
  const useAt = (port: string) => run([process.execPath, ...CATALOG, 'use', use, '--port', port])

  const refused = await useAt(new URL(stranger.url).port)
  expect(refused.exitCode, refused.output).toBe(2)
  expect(refused.output).toContain(path)
  expect(await readFile(path, 'utf8')).toBe(text(company.url))

  const port = await freePort()
  const used = await useAt(String(port))
  expect(used.exitCode, used.output).toBe(0)
  expect(await readFile(path, 'utf8')).toContain(`http://127.0.0.1:${port}`)
  await using daemon = await startDaemon({ args: [...ALONE, '--port', String(port)], home, port })
  other.forget()
  const installed = await run([...clientCommand(client), ...client.install])
  expect(installed.exitCode, installed.output + daemon.output()).toBe(0)
  const manifest = await readFile(join(cwd, 'node_modules', 'fx-inner', 'package.json'), 'utf8')
  expect(JSON.parse(manifest)).toMatchObject({ version: '1.0.0' })
  expect((await daemon.status()).gateway.tarballs.origin.artifacts).toBe(1)
  expect(other.requests).toEqual([])
}

const YARN_SETTINGS =
  "nodeLinker: node-modules\nenableTelemetry: false\nhttpsProxy: 'http://127.0.0.1:1'\n"
