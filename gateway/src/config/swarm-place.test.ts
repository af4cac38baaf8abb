/** Which private swarm the settings name; the text of one is for the environment alone, and is shown nowhere. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { resolveConfig, type Config, type ConfigInput } from './resolve.ts'
import { swarmFilePath, withoutSwarm } from './swarm-place.ts'

const SECRET = `catalog-swarm-1:${'A'.repeat(48)}`
let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'catalog-place-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function configOf(given: Partial<ConfigInput>): Config {
  const places = { configFolder: folder, cwd: folder, home: folder, defaultStore: folder }
  return resolveConfig({ flags: {}, env: {}, ...places, ...given })
}

test('none, a file, the usual file, or the environment', () => {
  expect(configOf({}).swarm).toBeUndefined()
  const path = resolve(folder, 'other.txt')
  expect(configOf({ flags: { swarm: 'other.txt' } }).swarm).toEqual({ kind: 'file', path })
  writeFileSync(swarmFilePath(folder), '')
  expect(configOf({}).swarm).toEqual({ kind: 'file', path: swarmFilePath(folder) })
  expect(configOf({ flags: { swarm: 'none' } }).swarm).toBeUndefined()
  const { swarm } = configOf({ env: { CATALOG_SWARM: `name x\nkey ${SECRET}` } })
  expect(swarm?.kind === 'secret' && swarm.text()).toContain(SECRET)
})

test('the text of one is not in what is shown of the settings', () => {
  const config = configOf({ env: { CATALOG_SWARM: SECRET } })
  expect(JSON.stringify([config, ...config.given])).not.toContain('AAAA')
  for (const flags of [{ swarm: SECRET }]) {
    expect(() => configOf({ flags })).toThrow('for the environment only')
    expect(() => configOf({ flags })).not.toThrow('AAAA')
  }
})

test('commands get the path of one, and never the text', () => {
  expect(withoutSwarm({ CATALOG_SWARM: SECRET, PATH: '/bin' })).toEqual({ PATH: '/bin' })
  const env = { CATALOG_SWARM: '/home/me/swarm.txt' }
  expect(withoutSwarm(env)).toEqual(env)
})
