import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createCollectingLogger } from '../../../../test/support/collecting-logger.ts'
import { isCatalogError } from '../../errors.ts'
import { silentLogger } from '../../log.ts'
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
    const first = load(folder)
    expect(first.type).toBe('Ed25519')
    expect(load(folder).publicKey.toString()).toBe(first.publicKey.toString())
    expect(readdirSync(folder)).toEqual([IDENTITY_FILE])
  })

  it.skipIf(process.platform === 'win32')('is readable by its owner alone', () => {
    load(folder)
    expect(statSync(join(folder, IDENTITY_FILE)).mode & 0o777).toBe(0o600)
  })

  it('is another one for each node in memory', () => {
    const [a, b] = [load(undefined), load(undefined)]
    expect(a.publicKey.toString()).not.toBe(b.publicKey.toString())
  })

  it('signs with the key it shows', async () => {
    const key = load(folder)
    const message = Buffer.from('message')
    expect(await key.publicKey.verify(message, await key.sign(message))).toBe(true)
  })

  it('is never replaced when its file is damaged', () => {
    const file = join(folder, IDENTITY_FILE)
    writeFileSync(file, 'not a key')
    expect(() => load(folder)).toThrow(
      expect.toSatisfy((error) => isCatalogError(error, 'HOST_FAILED')),
    )
    expect(statSync(file).size).toBe(9)
  })

  it('is a passing one, with a warning, when the folder cannot be used', () => {
    const file = join(folder, 'file')
    writeFileSync(file, '')
    const log = createCollectingLogger()
    const [a, b] = [0, 1].map(() => loadIdentity(join(file, 'below'), log))
    expect(a?.publicKey.toString()).not.toBe(b?.publicKey.toString())
    const hint = expect.any(String) as string
    const line = {
      level: 'warn',
      event: 'identity.not-kept',
      facts: expect.objectContaining({ hint }),
    }
    expect(log.lines).toEqual([line, line])
  })

  it('is a passing one when its file cannot be read, and the file stays', () => {
    mkdirSync(join(folder, IDENTITY_FILE))
    const log = createCollectingLogger()
    expect(loadIdentity(folder, log).type).toBe('Ed25519')
    expect(log.lines).toMatchObject([{ event: 'identity.not-kept' }])
    expect(readdirSync(folder)).toEqual([IDENTITY_FILE])
  })
})

function load(path: string | undefined): ReturnType<typeof loadIdentity> {
  return loadIdentity(path, silentLogger)
}
