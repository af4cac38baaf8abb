import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { isCatalogError } from '../errors.ts'
import { IDENTITY_FILE, loadIdentity } from './identity.ts'

describe('identity', () => {
  let folder = ''
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'catalog-identity-'))
  })
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true })
  })

  it('is the same after a restart', () => {
    const first = loadIdentity(folder)
    expect(first.type).toBe('Ed25519')
    expect(loadIdentity(folder).publicKey.toString()).toBe(first.publicKey.toString())
    expect(readdirSync(folder)).toEqual([IDENTITY_FILE])
  })

  it.skipIf(process.platform === 'win32')('is readable by its owner alone', () => {
    loadIdentity(folder)
    expect(statSync(join(folder, IDENTITY_FILE)).mode & 0o777).toBe(0o600)
  })

  it('is another one for each node in memory', () => {
    const [a, b] = [loadIdentity(undefined), loadIdentity(undefined)]
    expect(a.publicKey.toString()).not.toBe(b.publicKey.toString())
  })

  it('signs with the key it shows', async () => {
    const key = loadIdentity(folder)
    const message = Buffer.from('message')
    expect(await key.publicKey.verify(message, await key.sign(message))).toBe(true)
  })

  it('is never replaced when its file is damaged', () => {
    const file = join(folder, IDENTITY_FILE)
    writeFileSync(file, 'not a key')
    expect(() => loadIdentity(folder)).toThrow(
      expect.toSatisfy((error) => isCatalogError(error, 'HOST_FAILED')),
    )
    expect(statSync(file).size).toBe(9)
  })

  it('says so when the folder cannot be used', () => {
    const file = join(folder, 'file')
    writeFileSync(file, '')
    expect(() => loadIdentity(join(file, 'below'))).toThrow(
      expect.toSatisfy((error) => isCatalogError(error, 'HOST_FAILED')),
    )
  })
})
