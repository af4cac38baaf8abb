import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { DEFAULT_REGISTRY } from '../upstream/default-registry.ts'
import { mergeKeys } from './keyring-merge.ts'
import { effectiveKeys, keyringPath, readKeyring, writeKeyring, type Keyring } from './keyring.ts'
import { PINNED_KEYS } from './pinned-keys.ts'
import { fingerprintOf, KEY_TYPE, parseRegistryKeys, type RegistryKey } from './registry-key.ts'

const NOW = new Date('2026-11-22T00:00:00.000Z')
const FOREIGN = 'https://npm.example.com/'

function newKey(expires: string | null = null): RegistryKey {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const key = publicKey.export({ format: 'der', type: 'spki' }).toString('base64')
  return { expires, keyid: fingerprintOf(publicKey), keytype: KEY_TYPE, scheme: KEY_TYPE, key }
}

const ids = (keys: readonly { keyid: string }[]): string[] => keys.map(({ keyid }) => keyid)

describe('pinned keys', () => {
  test('are keys, each under its own fingerprint', () => {
    expect(parseRegistryKeys({ keys: PINNED_KEYS }, 'pinned')).toEqual(PINNED_KEYS)
    expect(PINNED_KEYS.some(({ expires }) => expires === null)).toBe(true)
  })
})

describe('reading keys', () => {
  test("takes the form of Sigstore's keys.json too, without the keys of attestations", () => {
    const { keyid, key } = newKey()
    const one = {
      keyId: keyid,
      publicKey: {
        rawBytes: key,
        keyDetails: 'PKIX_ECDSA_P256_SHA_256',
        validFor: { start: '1999-01-01T00:00:00.000Z', end: '2030-01-01T00:00:00Z' },
      },
    }
    const keys = [
      { ...one, keyUsage: 'npm:attestations' },
      { ...one, keyUsage: 'npm:signatures' },
    ]
    expect(parseRegistryKeys({ keys }, 'file')).toEqual([
      {
        ...{ keyid, key, keytype: KEY_TYPE, scheme: KEY_TYPE },
        expires: '2030-01-01T00:00:00.000Z',
      },
    ])
  })

  const good = newKey()
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey
  test.each([
    ['another id', { ...good, keyid: newKey().keyid }, 'its fingerprint'],
    [
      'another curve',
      { ...good, key: p384.export({ format: 'der', type: 'spki' }).toString('base64') },
      'P-256',
    ],
    ['junk', { ...good, key: 'AAAA' }, 'P-256'],
    ['no base64', { ...good, key: '-----BEGIN' }, 'P-256'],
    ['no date', { ...good, expires: 'soon' }, 'no date'],
    ['another type', { ...good, keytype: 'ssh-rsa' }, 'keytype'],
    ['no key', { keyid: good.keyid }, 'key'],
    ['nothing', null, 'key 2'],
  ])('refuses %s, and says which', (_, bad, why) => {
    const parse = () => parseRegistryKeys({ keys: [good, bad] }, 'file')
    expect(parse).toThrow(why)
    expect(parse).toThrow('file: key 2')
  })

  test.each([[{}], [[]], ['x'], [{ keys: Array(65).fill(good) }]])('refuses %j', (input) => {
    expect(() => parseRegistryKeys(input, 'file')).toThrow('expected {"keys"')
  })
})

describe('merging', () => {
  const options = { registry: DEFAULT_REGISTRY, replace: false, dropPinned: false, now: NOW }
  const [oldPin, newPin] = PINNED_KEYS as [RegistryKey, RegistryKey]
  const empty: Keyring = new Map()

  test('adds a rotated key and keeps the pinned ones', () => {
    const rotated = newKey()
    const { keyring, report } = mergeKeys(empty, [rotated], options)
    expect(report).toMatchObject({ added: [rotated.keyid], kept: ids(PINNED_KEYS), dropped: [] })
    expect(ids(effectiveKeys(keyring, DEFAULT_REGISTRY))).toEqual(ids([...PINNED_KEYS, rotated]))
  })

  test('takes over that a key has expired, and never that it has not', () => {
    const expired = { ...newPin, expires: '2027-01-01T00:00:00.000Z' }
    const first = mergeKeys(empty, [expired, { ...oldPin, expires: null }], options)
    expect(first.report.expired).toEqual([newPin.keyid])
    const later = { ...newPin, expires: '2028-01-01T00:00:00.000Z' }
    const second = mergeKeys(first.keyring, [later], options)
    const after = effectiveKeys(second.keyring, DEFAULT_REGISTRY)
    expect(after.find(({ keyid }) => keyid === newPin.keyid)?.expires).toBe(expired.expires)
    expect(after.find(({ keyid }) => keyid === oldPin.keyid)?.expires).toBe(oldPin.expires)
  })

  test('drops pinned keys only when told to in so many words', () => {
    const other = newKey()
    const replace = { ...options, replace: true }
    expect(() => mergeKeys(empty, [other], replace)).toThrow(newPin.keyid)
    const { keyring, report } = mergeKeys(empty, [other], { ...replace, dropPinned: true })
    expect(report.dropped).toEqual(ids(PINNED_KEYS))
    expect(ids(effectiveKeys(keyring, DEFAULT_REGISTRY))).toEqual([other.keyid])
    // Adding another later does not bring them back, naming one does.
    const third = mergeKeys(keyring, [newKey()], options).keyring
    expect(ids(effectiveKeys(third, DEFAULT_REGISTRY))).not.toContain(newPin.keyid)
    const fourth = mergeKeys(third, [newPin], options).keyring
    expect(ids(effectiveKeys(fourth, DEFAULT_REGISTRY))).toContain(newPin.keyid)
    expect(ids(effectiveKeys(fourth, DEFAULT_REGISTRY))).not.toContain(oldPin.keyid)
  })

  test('a registry of their own has the keys that were imported for it, and no others', () => {
    const theirs = newKey()
    expect(ids(effectiveKeys(empty, FOREIGN))).toEqual(ids(PINNED_KEYS))
    const { keyring } = mergeKeys(empty, [theirs], { ...options, registry: FOREIGN })
    expect(ids(effectiveKeys(keyring, FOREIGN))).toEqual([theirs.keyid])
    expect(ids(effectiveKeys(keyring, DEFAULT_REGISTRY))).toEqual(ids(PINNED_KEYS))
    const none = mergeKeys(keyring, [], { ...options, registry: FOREIGN, replace: true }).keyring
    expect(effectiveKeys(none, FOREIGN)).toEqual([])
  })
})

describe('the file', () => {
  let folder: string
  beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'catalog-keyring-'))))
  afterEach(() => rm(folder, { recursive: true }))

  test('comes back as it was written; none is an empty one', async () => {
    const path = keyringPath(join(folder, 'made', 'for-it'))
    expect((await readKeyring(path)).size).toBe(0)
    const options = { registry: FOREIGN, replace: false, dropPinned: false, now: NOW }
    const { keyring } = mergeKeys(new Map(), [newKey('2031-01-01T00:00:00.000Z')], options)
    await writeKeyring(path, keyring)
    expect(await readKeyring(path)).toEqual(keyring)
  })

  test.each([
    '',
    '{}',
    '{"version":1,"registries":{"https://x.example/":{"keys":[{}],"dropped":[],"updatedAt":"2026-11-22T00:00:00Z"}}}',
  ])('that says %j is refused, and left alone', async (text) => {
    const path = keyringPath(folder)
    await writeFile(path, text)
    await expect(readKeyring(path)).rejects.toMatchObject({ code: 'STORE_CORRUPT' })
    expect(await readFile(path, 'utf8')).toBe(text)
  })

  test('with another key under a known id is refused', async () => {
    const path = keyringPath(folder)
    const forged = { ...newKey(), keyid: PINNED_KEYS[1]?.keyid }
    const entry = { keys: [forged], dropped: [], updatedAt: NOW.toISOString() }
    await writeFile(path, JSON.stringify({ version: 1, registries: { [FOREIGN]: entry } }))
    await expect(readKeyring(path)).rejects.toMatchObject({ code: 'STORE_CORRUPT' })
  })
})
