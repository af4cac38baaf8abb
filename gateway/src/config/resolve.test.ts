import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { CatalogError } from '@catalog-p2p/core'
import { resolveConfig, type ConfigInput } from './resolve.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'catalog-config-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const config = (input: Partial<ConfigInput> = {}) =>
  resolveConfig({
    flags: {},
    env: {},
    configFolder: folder,
    cwd: folder,
    home: resolve('/home/someone'),
    defaultStore: join(folder, 'default-store'),
    ...input,
  })

function problemsOf(action: () => unknown): string[] {
  try {
    action()
  } catch (error) {
    if (error instanceof CatalogError) {
      expect(error.code).toBe('INVALID_OPTIONS')
      return error.message.split('\n')
    }
    throw error
  }
  throw new Error('expected an error')
}

describe('resolveConfig', () => {
  test('with nothing given leaves every default to the options', () => {
    const found = config()
    expect(found.gateway).toEqual({})
    expect(found.node).toEqual({ store: { path: join(folder, 'default-store') } })
    expect(found).toMatchObject({ json: false, peersOnly: false, file: undefined, warnings: [] })
  })

  test('flag over environment over file', () => {
    writeFileSync(
      join(folder, 'config.yaml'),
      'port: 1111\nquota: 1GiB\nnetwork: { family: ipv4, port: 5 }\n',
    )
    const env = { CATALOG_PORT: '2222', CATALOG_NETWORK_FAMILY: 'ipv6' }
    const found = config({ flags: { port: '3333' }, env })
    expect(found.gateway.port).toBe(3333)
    expect(found.node.network).toEqual({ family: 'ipv6', port: 5 })
    expect(found.node.store).toMatchObject({ quotaBytes: 1024 ** 3 })
    expect(found.given.get('port')?.origin).toBe('--port')
    expect(found.given.get('network.family')?.origin).toBe('CATALOG_NETWORK_FAMILY')
    expect(found.given.get('quota')?.origin).toBe(`${join(folder, 'config.yaml')}:2: quota`)
  })

  test('JSON works as well, and --config wins over CATALOG_CONFIG over the folder', () => {
    writeFileSync(join(folder, 'config.json'), '{"port": 1}')
    writeFileSync(join(folder, 'a.json'), '{"port": 2, "peersOnly": true}')
    writeFileSync(join(folder, 'b.yml'), 'port: 3')
    expect(config().gateway.port).toBe(1)
    const env = { CATALOG_CONFIG: 'a.json' }
    expect(config({ env }).gateway).toEqual({ port: 2, upstream: null })
    expect(config({ env, configFile: 'b.yml' }).gateway.port).toBe(3)
  })

  test('reads sizes, rates, times, lists, paths and yes/no', () => {
    const found = config({
      env: {
        CATALOG_UPLOAD_RATE: '1.5MB/s',
        CATALOG_MAX_AGE: '5m',
        CATALOG_BOOTSTRAP: '/ip4/1.2.3.4/tcp/1, /ip6/::1/tcp/2',
        CATALOG_STORE: '~/somewhere',
        CATALOG_MDNS: 'off',
        CATALOG_QUOTA: '0',
      },
      flags: { host: ['127.0.0.1', '::1'], dht: false },
    })
    expect(found.node.transfer).toEqual({ uploadRate: 1_500_000 })
    expect(found.gateway.maxAgeMs).toBe(300_000)
    expect(found.node.network).toEqual({
      bootstrap: ['/ip4/1.2.3.4/tcp/1', '/ip6/::1/tcp/2'],
      mdns: false,
      dht: false,
    })
    expect(found.storePath).toBe(resolve('/home/someone/somewhere'))
    expect(found.node.store).toMatchObject({ quotaBytes: 0 })
    expect(found.gateway.addresses).toEqual(['127.0.0.1', '::1'])
  })

  test('reports every problem at once, each with its origin', () => {
    const file = join(folder, 'config.yaml')
    writeFileSync(file, 'quota: lots\nnetwork:\n  familly: ipv6\nmaxAge: 5\n')
    const problems = problemsOf(() =>
      config({
        flags: { port: '70000', upstream: 'ftp://example.com' },
        env: {
          CATALOG_MDNS: 'maybe',
          CATALOG_CHUNK_SIZE: '100000',
          CATALOG_MIN_RELEASE_AGE: '99999d',
        },
      }),
    )
    expect(problems).toHaveLength(8)
    const all = problems.join('\n')
    expect(all).toMatch(/^--port: .*65535.*"70000"$/m)
    expect(all).toMatch(/^--upstream: must be an http or https URL/m)
    expect(all).toContain('CATALOG_MDNS: expected true or false, got "maybe"')
    expect(all).toMatch(/^CATALOG_CHUNK_SIZE: must be a power of two/m)
    expect(all).toMatch(/^CATALOG_MIN_RELEASE_AGE: .*<=366d, got "99999d"$/m)
    expect(all).toContain(`${file}:1: quota: expected a size`)
    expect(all).toContain(`${file}:4: maxAge: expected a time`)
    expect(all).toContain(
      `${file}:3: network.familly: no such setting; do you mean network.family?`,
    )
  })

  test('broken files are named with the line', () => {
    writeFileSync(join(folder, 'config.yaml'), 'port: 1\n  quota: [\n')
    expect(problemsOf(() => config())[0]).toMatch(/config\.yaml: .*line \d/)
    writeFileSync(join(folder, 'config.yml'), 'port: 1')
    expect(problemsOf(() => config())[0]).toMatch(/several config files/)
    expect(problemsOf(() => config({ configFile: 'none.yaml' }))[0]).toMatch(/can't be read/)
    writeFileSync(join(folder, 'list.yaml'), '- 1\n')
    expect(problemsOf(() => config({ configFile: 'list.yaml' }))[0]).toMatch(/expected "name/)
  })

  test('an empty file, empty values and empty variables count as not set', () => {
    writeFileSync(join(folder, 'config.yaml'), '')
    expect(config({ env: { CATALOG_PORT: '' } }).gateway).toEqual({})
    writeFileSync(join(folder, 'config.yaml'), 'port:\nnetwork:\n')
    expect(config().gateway).toEqual({})
  })

  test('peers-only takes the upstream away, and contradicts --upstream', () => {
    expect(config({ env: { CATALOG_PEERS_ONLY: '1' } }).gateway.upstream).toBeNull()
    const flags = { 'peers-only': true, upstream: 'http://example.com' }
    expect(problemsOf(() => config({ flags }))[0]).toMatch(/--peers-only/)
  })

  test('warns of a variable that looks mistyped, not of any other', () => {
    const env = { CATALOG_UPSTEAM: 'http://example.com', CATALOG_DEMO_FOLDER: '/x' }
    expect(config({ env }).warnings).toEqual([
      'CATALOG_UPSTEAM: no such setting; do you mean CATALOG_UPSTREAM?',
    ])
  })
})
