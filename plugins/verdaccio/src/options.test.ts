import { join } from 'node:path'
import { expect, test } from 'vitest'
import { configPathsOf, parseOptions, sectionOf, type PluginOptions } from './options.ts'

const folder = join('/', 'etc', 'verdaccio')
const paths = { folder, storage: join('/', 'data') }

function parsed(section: unknown): PluginOptions {
  const result = parseOptions(section, paths)
  if (!result.ok) throw new Error(result.problems.join('; '))
  return result.options
}

function problems(section: unknown): readonly string[] {
  const result = parseOptions(section, paths)
  return result.ok ? [] : result.problems
}

test.each([[undefined], [null], [{}]])('%j means the defaults', (section) => {
  const options = parsed(section)
  expect(options).toMatchObject({ enabled: true, mode: 'node', seedExisting: true })
  expect(options.node.store).toEqual({
    path: join('/', 'data', '.catalog-p2p'),
    quotaBytes: 20 * 1024 ** 3,
  })
})

test('paths start where config.yaml lies', () => {
  expect(parsed({ store: './p2p' }).node.store?.path).toBe(join(folder, 'p2p'))
  const bare = parseOptions({}, { folder, storage: undefined })
  expect(bare.ok && bare.options.node.store?.path).toBe(join(folder, '.catalog-p2p'))
})

test.each([
  [65536, 65536],
  ['65536', 65536],
  ['20GB', 20e9],
  ['1.5 GiB', 1.5 * 1024 ** 3],
  ['512mib', 512 * 1024 ** 2],
])('a quota of %j is %d bytes', (quota, bytes) => {
  expect(parsed({ quota }).node.store?.quotaBytes).toBe(bytes)
})

test('lists may be empty keys', () => {
  expect(parsed({ seed: null, private: null, uplinks: null })).toMatchObject({
    seed: [],
    private: [],
    uplinks: undefined,
  })
  const { node } = parsed({ network: { bootstrap: null, port: 1 }, transfer: null })
  expect(node).toMatchObject({ network: { port: 1 }, transfer: {} })
  expect(node.network).not.toHaveProperty('bootstrap')
})

test('all problems are told at once, each with its setting', () => {
  const told = problems({
    mode: 'p2p',
    quota: 'much',
    daemon: 'localhost',
    seed: ['@acme'],
    seedExistingPerSecond: 0,
    sead: [],
  })
  expect(told).toHaveLength(6)
  expect(told.join('\n')).toMatch(/^mode: /m)
  expect(told.join('\n')).toMatch(/^quota: must be a size like 20GB/m)
  expect(told.join('\n')).toMatch(/^daemon: must be an http or https URL/m)
  expect(told.join('\n')).toMatch(/^seed\.0: must be a name or pattern/m)
  expect(told.join('\n')).toMatch(/^seedExistingPerSecond: /m)
  expect(told.join('\n')).toMatch(/^sead: no such setting; there are enabled, mode, /m)
})

test('settings that would do nothing in this mode are problems', () => {
  expect(problems({ mode: 'daemon', seed: ['@acme/*'], network: { port: 1 } })).toEqual([
    'network: has no meaning with mode: daemon, which starts no node',
    'seed: needs mode: node (with mode: daemon, the daemon seeds what it fetches itself, and takes no files)',
  ])
  expect(problems({ mode: 'daemon', seedExisting: true })).toEqual([
    'seedExisting: needs mode: node (with mode: daemon, the daemon seeds what it fetches itself, and takes no files)',
  ])
  expect(problems({ mode: 'verify', seedExistingPerSecond: 5, quota: '1GB', store: 'x' })).toEqual([
    'store: has no meaning with mode: verify, which starts no node',
    'quota: has no meaning with mode: verify, which starts no node',
    'seedExistingPerSecond: needs mode: node (with mode: verify, there is no node to seed with)',
  ])
})

test('and are told with all others', () => {
  const told = problems({ mode: 'daemon', quota: '1GB', sead: [] }).join('\n')
  expect(told).toMatch(/^sead: no such setting/m)
  expect(told).toMatch(/^quota: has no meaning with mode: daemon/m)
})

test('settings that say that nothing is to be done are none', () => {
  const section = { mode: 'daemon', seed: [], seedExisting: false, network: null, private: ['a'] }
  expect(problems(section)).toEqual([])
})

test.each([['text'], [[]], [7]])('%j is not a section', (section) => {
  expect(problems(section)).toHaveLength(1)
})

test.each([['catalog-p2p'], ['verdaccio-catalog-p2p'], ['@acme/catalog-p2p']])(
  'the section is found as %s',
  (key) => {
    expect(sectionOf({ middlewares: { audit: {}, [key]: { mode: 'verify' } } })).toEqual({
      mode: 'verify',
    })
  },
)

test('a config without the section, or without a path, is no problem', () => {
  expect(sectionOf({ middlewares: { audit: {} } })).toBeUndefined()
  expect(sectionOf(undefined)).toBeUndefined()
  expect(configPathsOf({ self_path: join(folder, 'config.yaml'), storage: './storage' })).toEqual({
    folder,
    storage: join(folder, 'storage'),
  })
})
