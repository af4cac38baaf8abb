import { lstat, mkdir, mkdtemp, readdir, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Config } from '../../config/resolve.ts'
import { openFrozenStore } from './frozen-store.ts'

let root: string
let store: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'catalog-frozen-'))
  store = join(root, 'store')
})
afterEach(() => rm(root, { recursive: true }))

function configOf(storePath: string, more: Partial<Config> = {}): Config {
  return {
    ...{ node: { store: { path: storePath, quotaBytes: 5 } }, gateway: {}, storePath },
    ...{ peersOnly: false, logLevel: undefined, json: false, given: new Map(), file: undefined },
    ...{ warnings: [], ...more },
  }
}

test('everything but artifacts is in a folder of this run, which goes away with it', async () => {
  const frozen = await openFrozenStore(configOf(store))
  const { storePath, node } = frozen.config
  expect(dirname(storePath)).toBe(store)
  expect(node.store).toEqual({ path: storePath, artifactsOf: store, quotaBytes: 5 })
  await writeFile(join(storePath, 'some.sqlite'), '')
  await frozen.remove()
  expect(await readdir(store)).toEqual([])
})

test('what killed runs have left goes after a day, and what others are using stays', async () => {
  const [old, young] = [join(store, 'frozen-trust-old'), join(store, 'frozen-trust-young')]
  for (const folder of [old, young]) await mkdir(join(folder, 'documents'), { recursive: true })
  await utimes(old, 1, 1)
  const frozen = await openFrozenStore(configOf(store))
  await frozen.remove()
  expect(await readdir(store)).toEqual(['frozen-trust-young'])
})

test.runIf(process.platform !== 'win32')('a store that is a link is refused', async () => {
  await mkdir(join(root, 'home'))
  await symlink(join(root, 'home'), store)
  await expect(openFrozenStore(configOf(store))).rejects.toThrow(/is a link/)
  expect(await readdir(join(root, 'home'))).toEqual([])
})

test('a store that is a file is refused', async () => {
  await writeFile(store, '')
  await expect(openFrozenStore(configOf(store))).rejects.toThrow(/is no folder/)
  expect((await lstat(store)).isFile()).toBe(true)
})

describe('what is believed must not be in the store:', () => {
  test.each([
    ['keyring', { keyringPath: 'keys.json' }, /the keyring/],
    ['trust store', { trustPath: 'trust.json' }, /the trust store/],
    ['owner key', { ownerKeyPath: 'deep/owner.key' }, /the key for owners/],
    ['list of malware', { malwareList: 'osv' }, /the list of malware/],
    ['.npmrc', { npmrcPath: '.npmrc' }, /the \.npmrc/],
  ])('a %s', async (_name, given, message) => {
    const gateway = Object.fromEntries(
      Object.entries(given).map(([name, path]) => [name, join(store, path)]),
    )
    await expect(openFrozenStore(configOf(store, { gateway }))).rejects.toThrow(message)
  })

  test('a config file, by another way there', async () => {
    await mkdir(store)
    const file = join(store, '..', 'store', 'config.yaml')
    await expect(openFrozenStore(configOf(store, { file }))).rejects.toThrow(/the configuration/)
  })

  test('beside it is fine', async () => {
    const gateway = { keyringPath: join(root, 'store-keys.json') }
    await (await openFrozenStore(configOf(store, { gateway }))).remove()
  })
})
