/** Whether another guard of what clients fetch is blind because of us; its files as its documentation has them. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Finding } from './check.ts'
import { checkFirewalls } from './firewall-check.ts'

let home: string
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'catalog-firewall-'))
})
afterEach(() => rmSync(home, { recursive: true }))

const check = (isUsed: boolean, env: Record<string, string> = {}): Promise<Finding[]> =>
  checkFirewalls(
    { env, home, platform: process.platform },
    { gatewayUrl: 'http://127.0.0.1:4874/', isUsed },
  )

test('where there is none, nothing is said', async () => {
  expect(await check(true, { PATH: home })).toEqual([])
})

test('safe-chain does not see what a client gets from us, unless it was told of us', async () => {
  mkdirSync(join(home, '.safe-chain'))
  const [blind] = await check(true)
  expect(blind).toMatchObject({ name: 'safe-chain', verdict: 'warn' })
  expect(blind?.next).toContain('SAFE_CHAIN_NPM_CUSTOM_REGISTRIES=127.0.0.1:4874')
  expect(await check(false)).toMatchObject([{ verdict: 'ok' }])
  const told = { SAFE_CHAIN_NPM_CUSTOM_REGISTRIES: 'npm.example, 127.0.0.1:4874' }
  expect(await check(true, told)).toMatchObject([{ verdict: 'ok' }])
  const config = { npm: { customRegistries: ['127.0.0.1'] } }
  writeFileSync(join(home, '.safe-chain', 'config.json'), JSON.stringify(config))
  expect(await check(true)).toMatchObject([{ verdict: 'ok' }])
})

test('shims of safe-chain in PATH, and a program of Socket', async () => {
  const shims = join(home, 'tools', 'safe-chain', 'shims')
  const program = join(home, process.platform === 'win32' ? 'sfw.exe' : 'sfw')
  writeFileSync(program, '')
  chmodSync(program, 0o755)
  const PATH = [shims, home].join(process.platform === 'win32' ? ';' : ':')
  const found = await check(true, { PATH })
  expect(found.map(({ name, verdict }) => `${name} ${verdict}`)).toEqual([
    'safe-chain warn',
    'Socket Firewall warn',
  ])
})
