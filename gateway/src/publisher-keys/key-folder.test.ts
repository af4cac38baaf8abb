/** Publishers' keys on disk: for their user alone, sealed when asked to, never overwritten, and nothing of a file is believed. */
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateKey, keyIdOf } from '@catalog-p2p/core'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { isKeyName, parseKeyFile, publicHalf, toKeyFile, unlockKey } from './key-file.ts'
import { openKeyFolder, type KeyFolder } from './key-folder.ts'

const key = generateKey()
const createdAt = new Date('2026-01-01T00:00:00.000Z')
const nobody = async (): Promise<undefined> => undefined

let home: string
let folder: KeyFolder
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'catalog-keys-'))
  folder = openKeyFolder(home)
})
afterEach(() => rm(home, { recursive: true }))

const plain = () => toKeyFile(key, { passphrase: undefined, createdAt })

describe('a folder of keys', () => {
  test('keeps a key for its user alone, by its name', async () => {
    await folder.add('work', await plain())
    const read = await folder.read('work')
    expect(read).toMatchObject({ name: 'work', id: keyIdOf(key.publicKey), isSealed: false })
    expect((await unlockKey(read, nobody)).publicKey).toEqual(key.publicKey)
    expect((await folder.list()).keys).toEqual([read])
    expect(await folder.find(read.id)).toEqual(read)
    expect(await readdir(folder.path)).toEqual(['work.json'])
    if (process.platform === 'win32') return
    expect((await stat(join(folder.path, 'work.json'))).mode & 0o777).toBe(0o600)
    expect((await stat(folder.path)).mode & 0o777).toBe(0o700)
  })

  test('overwrites nothing: a second one of a name is refused, one that is replaced stays', async () => {
    await folder.add('work', await plain())
    const other = await toKeyFile(generateKey(), { passphrase: undefined, createdAt })
    await expect(folder.add('work', other)).rejects.toMatchObject({ code: 'INVALID_OPTIONS' })
    const { oldName } = await folder.replace('work', other)
    expect((await folder.read('work')).id).toBe(other.id)
    expect((await folder.read(oldName)).id).toBe(keyIdOf(key.publicKey))
    await folder.replace('work', await plain())
    expect((await folder.list()).keys).toHaveLength(3)
    await expect(folder.replace('none', other)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  test('says which file is no key, and shows the others', async () => {
    await folder.add('work', await plain())
    await writeFile(join(folder.path, 'bad.json'), '{}')
    await writeFile(join(folder.path, 'huge.json'), 'x'.repeat(100_000))
    const { keys, problems } = await folder.list()
    expect(keys.map(({ name }) => name)).toEqual(['work'])
    expect(problems.map((each) => /(bad|huge)\.json/.exec(each)?.[1])).toEqual(['bad', 'huge'])
  })

  test('has none at first', async () => {
    expect(await folder.list()).toEqual({ keys: [], problems: [] })
    await expect(folder.read('default')).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  test.each(['', '..', '../up', 'a/b', 'A', 'con', 'nul.x', 'a.', '.a', 'a'.repeat(65)])(
    'does not take the name "%s"',
    async (name) => {
      expect(isKeyName(name)).toBe(false)
      await expect(folder.read(name)).rejects.toMatchObject({ code: 'INVALID_OPTIONS' })
    },
  )
})

describe('a sealed key', async () => {
  const sealed = await toKeyFile(key, { passphrase: 'correct horse', createdAt })
  const text = JSON.stringify(sealed.content)
  const secret = Buffer.from(key.exportSecret()).toString('base64')
  const open = (content: string, passphrase: string) =>
    unlockKey(parseKeyFile(content, 'test'), async () => passphrase)

  test('opens with its passphrase, and with no other', async () => {
    expect(text).not.toContain(secret.slice(60, 200))
    expect((await open(text, 'correct horse')).exportSecret()).toEqual(key.exportSecret())
    await expect(open(text, 'correct horsf')).rejects.toMatchObject({ code: 'INVALID_KEY' })
    await expect(unlockKey(sealed, nobody)).rejects.toMatchObject({
      hint: expect.stringContaining('CATALOG_KEY_PASSPHRASE'),
    })
  })

  test('does not open when anything beside it was changed', async () => {
    const changed = text.replace('2026-01-01', '2026-01-02')
    await expect(open(changed, 'correct horse')).rejects.toMatchObject({ code: 'INVALID_KEY' })
  })

  test.each([
    ['a cost of hours', (each: string) => each.replace('"n":131072', '"n":1073741824')],
    ['a cost that protects nothing', (each: string) => each.replace('"n":131072', '"n":2')],
    ['a cost that is no power of two', (each: string) => each.replace('"n":131072', '"n":131073')],
    ['another key function', (each: string) => each.replace('scrypt', 'none')],
    ['a short nonce', (each: string) => each.replace(/"nonce":"[^"]+"/, '"nonce":"AAAA"')],
  ])('%s is refused before any work', (_what, change) => {
    expect(change(text)).not.toBe(text)
    expect(() => parseKeyFile(change(text), 'test')).toThrow('not a key file')
  })
})

test('the public half has no secret in it, and is of no use to publish', async () => {
  const half = publicHalf(await plain())
  expect(Object.keys(half.content).sort()).toEqual(['createdAt', 'id', 'publicKey', 'version'])
  await expect(unlockKey(half, nobody)).rejects.toThrow('only the public half')
})

test('a file whose secret is of another key than it says is refused', async () => {
  const other = await toKeyFile(generateKey(), { passphrase: undefined, createdAt })
  const mixed = { ...(await plain()).content, secret: other.content.secret }
  const file = parseKeyFile(JSON.stringify(mixed), 'test')
  await expect(unlockKey(file, nobody)).rejects.toThrow('is of another key')
  const renamed = { ...(await plain()).content, id: other.id }
  expect(() => parseKeyFile(JSON.stringify(renamed), 'test')).toThrow('its id is not')
})
