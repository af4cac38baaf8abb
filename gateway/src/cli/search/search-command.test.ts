/** `catalog search` as people run it, against a gateway whose registry has a search, or none that works. */
import type { ServerResponse } from 'node:http'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  createWorkspace,
  execute,
  isolatedEnvironment,
  type ClientResult,
  type Workspace,
} from '../../../../test/support/client.ts'
import { makePackage } from '../../../../test/support/fixture-packages.ts'
import { gatewayWorld, type GatewayWorld } from '../../../../test/support/gateway-world.ts'
import { EXIT } from '../shell/exit-codes.ts'
import { catalogProgram } from '../../../../test/support/catalog-program.ts'

const CATALOG = await catalogProgram()

let workspace: Workspace
let world: GatewayWorld
beforeEach(async () => {
  workspace = await createWorkspace()
  await mkdir(join(workspace.path, 'tmp'))
  world = await gatewayWorld({
    packages: [makePackage('fx-one', '1.0.0', { description: 'The first of all' })],
  })
  await world.get('/fx-one')
})
afterEach(async () => {
  await world[Symbol.asyncDispose]()
  await workspace[Symbol.asyncDispose]()
})

function search(...args: readonly string[]): Promise<ClientResult> {
  const where = ['--port', new URL(world.url).port, '--store', join(workspace.path, 'none')]
  return execute(process.execPath, [...CATALOG, 'search', ...args, ...where], {
    ...{ cwd: workspace.path, env: isolatedEnvironment(workspace.path), timeoutMs: 30_000 },
  })
}

function registryFinds(packages: readonly Record<string, unknown>[]): void {
  const body = JSON.stringify({ objects: packages.map((each) => ({ package: each })), total: 1 })
  world.upstream.otherwise = (_, response: ServerResponse) => void response.end(body)
}

test('shows what the registry finds and what is known here, with where it comes from', async () => {
  registryFinds([
    { name: 'fx-two', version: '2.0.0', description: 'The\u001b[31m second', date: '2020-01-01' },
    { name: '../up', version: '1.0.0' },
  ])
  const printed = await search('fx', 'all')
  expect(printed.exitCode).toBe(EXIT.ok)
  expect(printed.output.split('\n')).toEqual([
    'NAME    VERSION  FROM      DESCRIPTION',
    'fx-two  2.0.0    registry  The [31m second',
    'fx-one  1.0.0    here      The first of all',
    '',
  ])
  expect(world.upstream.seen.at(-1)?.url).toBe('/-/v1/search?text=fx+all&size=20')
  const { output } = await search('fx', '--json', '--limit', '1')
  expect(JSON.parse(output)).toEqual({
    ...{ text: 'fx', upstream: 'answered', peers: { asked: 0, answered: 0 } },
    results: [
      {
        ...{ name: 'fx-two', version: '2.0.0', description: 'The [31m second', keywords: [] },
        ...{ publishedAtMs: Date.parse('2020-01-01'), source: 'upstream', known: true },
      },
    ],
  })
})

test('says so when the registry did not answer, and when nothing is found', async () => {
  world.upstream.otherwise = (_, response) => void response.end(`[${'0,'.repeat(400_000)}0]`)
  const printed = await search('first')
  expect(printed.output).toContain('fx-one  1.0.0    here  The first of all')
  expect(printed.output).toContain('the registry did not answer')
  const none = await search('nowhere')
  expect({ ...none, durationMs: 0 }).toMatchObject({ exitCode: EXIT.ok })
  expect(none.output).toContain('nothing found')
})

test('refuses a limit that is none, and needs a daemon', async () => {
  expect((await search('x', '--limit', '51')).exitCode).toBe(EXIT.usage)
  expect((await search()).exitCode).toBe(EXIT.usage)
  await world.gateway.stop()
  expect((await search('x')).exitCode).toBe(EXIT.notRunning)
})
