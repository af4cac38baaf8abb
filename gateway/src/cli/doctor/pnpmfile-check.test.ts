/** pnpm by its global pnpmfile, as `catalog use pnpm --pnpmfile` sets it up and as it can go wrong. */
import { once } from 'node:events'
import { appendFileSync, copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { pnpmConfigFolder } from '../../clients/pnpm/pnpm-files.ts'
import { pnpmfileCopy, pnpmfileFiles } from '../use/use-pnpmfile.ts'
import { useFiles, type UseDependencies } from '../use/use.ts'
import { useStatePath } from '../use/use-state.ts'
import type { Finding } from './check.ts'
import { checkClients } from './client-checks.ts'

let home: string
let gateway: string
let stop: () => Promise<void>
beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'catalog doctor jürgen-'))
  const server = createServer((_, response) => response.end('{"status":"ok","id":"somebody"}'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  gateway = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  stop = async () => {
    if (!server.listening) return
    const closed = once(server, 'close')
    server.close()
    server.closeAllConnections()
    await closed
  }
})
afterEach(async () => {
  await stop()
  rmSync(home, { recursive: true })
})

function deps(env: Record<string, string> = {}): UseDependencies {
  return {
    context: { env, home, platform: process.platform },
    statePath: useStatePath(join(home, 'state')),
  }
}

async function use(): Promise<void> {
  const files = await pnpmfileFiles(deps(), { url: gateway, source: undefined })
  await useFiles(deps(), 'pnpm', { url: gateway, files })
}

async function check(env?: Record<string, string>, url = gateway): Promise<Finding> {
  const findings = await checkClients(deps(env), url)
  return findings.find(({ name }) => name === 'client pnpm')!
}

const config = (name: string): string => join(pnpmConfigFolder(deps().context), name)

test('works, and its registry is nobody’s business then', async () => {
  await use()
  const finding = await check({ npm_config_registry: 'https://npm.example/' })
  expect(finding).toMatchObject({ verdict: 'ok' })
  expect(finding.text).toContain(`(pnpm 10, pnpm 11 and newer: ${pnpmfileCopy(deps())})`)
})

test('of another version', async () => {
  await use()
  appendFileSync(pnpmfileCopy(deps()), '// older\n')
  const next = expect.stringContaining('catalog use pnpm --pnpmfile')
  expect(await check()).toMatchObject({ verdict: 'warn', next })
})

test('without its file pnpm fails everywhere', async () => {
  await use()
  rmSync(pnpmfileCopy(deps()))
  const missing = await check()
  expect(missing).toMatchObject({ verdict: 'fail', next: expect.stringContaining('unuse pnpm') })
  expect(missing.text).toMatch(/fails in every project.*ENOENT/)
  writeFileSync(pnpmfileCopy(deps()), 'nothing of ours')
  expect(await check()).toMatchObject({ verdict: 'fail' })
})

test('with no daemon, or with this one elsewhere', async () => {
  await use()
  const elsewhere = await check({}, 'http://127.0.0.1:5000/')
  expect(elsewhere).toMatchObject({ verdict: 'warn', next: expect.stringContaining('--port 5000') })
  await stop()
  const alone = await check()
  expect(alone).toMatchObject({ verdict: 'warn', next: 'start it: catalog start' })
  expect(alone.text).toContain(`no daemon at ${gateway}`)
})

test('set up, and overruled', async () => {
  await use()
  const theirs = join(home, 'theirs.cjs')
  writeFileSync(theirs, '')
  writeFileSync(config('config.yaml'), `globalPnpmfile: ${JSON.stringify(theirs)}\n`)
  expect((await check()).text).toContain(`(pnpm 10: `)
  const env = { npm_config_global_pnpmfile: theirs }
  expect(await check(env)).toMatchObject({ verdict: 'warn' })
  expect((await check(env)).text).toContain('npm_config_global_pnpmfile')
})

test('named by a variable alone, or not at all', async () => {
  await use()
  const copy = join(home, 'mine.cjs')
  copyFileSync(pnpmfileCopy(deps()), copy)
  for (const file of [config('rc'), config('config.yaml'), deps().statePath]) rmSync(file)
  rmSync(pnpmfileCopy(deps()))
  expect(await check({ PNPM_CONFIG_GLOBAL_PNPMFILE: copy })).toMatchObject({ verdict: 'ok' })
  expect((await check()).text).toContain('does not use this gateway')
  const theirs = { PNPM_CONFIG_GLOBAL_PNPMFILE: join(home, 'gone.cjs') }
  expect((await check(theirs)).text).toContain('does not use this gateway')
})
