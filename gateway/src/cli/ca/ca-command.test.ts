/** An organisation from its first key to a stolen one, as people type it; and what other machines then believe. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { keyIdFromBytes, openCertificate, parseKeyId, type KeyId } from '@catalog-p2p/core'
import { runCatalog, type CatalogRun } from '../../../../test/support/run-catalog.ts'
import { openTrust, type Trust } from '../../trust/trust.ts'
import { EXIT } from '../shell/exit-codes.ts'

const place = vi.hoisted(() => ({ config: '' }))
// The keys of whoever runs this test are none of its business.
vi.mock('env-paths', () => ({ default: () => ({ config: place.config, cache: place.config }) }))

const ADA = keyIdFromBytes(new Uint8Array(32).fill(1))
const BEN = keyIdFromBytes(new Uint8Array(32).fill(2))
const PEER = '12D3KooWGRUfS4sZCXV7TGDGyrpnbKZ5GHPMLiNSMDLTQ4FsbmaF'
const noop = (): void => undefined
const log = { debug: noop, info: noop, warn: noop, error: noop }

let home: string
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'catalog-ca-'))
  place.config = join(home, 'config')
})
afterEach(() => rm(home, { recursive: true }))

const onRoot = (...args: readonly string[]): Promise<CatalogRun> =>
  runCatalog(home, ...args, '--trust-file', join(home, 'root', 'trust.txt'))
const elsewhere = (...args: readonly string[]): Promise<CatalogRun> =>
  runCatalog(home, ...args, '--trust-file', join(home, 'other', 'trust.txt'))
const trustThere = (): Trust =>
  openTrust({ log }, { trustPath: join(home, 'other', 'trust.txt'), trustOnFirstUse: false })
const publishers = (name: string): readonly KeyId[] => {
  const origin = trustThere().originOf(name)
  return origin.kind === 'network' ? origin.publishers : []
}

async function makeRoot(): Promise<KeyId> {
  const made = await onRoot('ca', 'init', '--json')
  expect(made.exitCode).toBe(EXIT.ok)
  return parseKeyId((made.json() as { root: string }).root)
}

test('a publisher is certified, renewed and revoked, and other machines follow', async () => {
  const root = await makeRoot()
  await elsewhere('trust', 'add', '@acme', root, '--root')
  const file = join(home, 'ada.cert')
  const issued = await onRoot(
    'ca',
    'issue',
    ADA,
    '--for',
    '@acme',
    'left-pad',
    '--note',
    'Ada',
    '--out',
    file,
  )
  expect(issued.lines.join('\n')).toContain(`certified ${ADA}`)
  expect(openCertificate(await readFile(file))).toMatchObject({ issuer: root, note: 'Ada' })
  expect(publishers('@acme/tool')).toEqual([])
  expect((await elsewhere('ca', 'import', file)).exitCode).toBe(EXIT.ok)
  expect(publishers('@acme/tool')).toEqual([ADA])

  const before = openCertificate(await readFile(file)).notAfterMs
  expect((await onRoot('ca', 'renew', file, '--life', '365d')).exitCode).toBe(EXIT.ok)
  expect(openCertificate(await readFile(file)).notAfterMs).toBeGreaterThan(before)
  expect((await onRoot('ca', 'renew', ADA, '--life', '1h')).exitCode).toBe(EXIT.ok)

  const list = join(home, 'revoked')
  const revoked = await onRoot('ca', 'revoke', ADA, '--out', list)
  expect(revoked.lines).toContain(`revocation list 2 of ${root}`)
  await elsewhere('ca', 'import', list)
  expect(publishers('@acme/tool')).toEqual([])
  // Its thief has a certificate that is good for a year.
  await elsewhere('ca', 'import', file)
  expect(publishers('@acme/tool')).toEqual([])
  const again = await onRoot('ca', 'issue', ADA, '--for', '@acme')
  expect(again.exitCode).toBe(EXIT.usage)
  expect(again.error).toContain('has been revoked, and stays so')
  await onRoot('ca', 'issue', BEN, '--for', '@acme')
  const shown = (await onRoot('ca', 'list', '--json')).json()
  expect(shown).toMatchObject({
    organisations: [{ root, sequence: 2, certificates: [{ subject: BEN }], revoked: [ADA] }],
  })
})

test('a machine gets its certificate as a file, and can be revoked like a publisher', async () => {
  const root = await makeRoot()
  const file = join(home, 'machine.cert')
  const none = await onRoot('ca', 'issue', PEER, '--for', 'builds')
  expect(none.error).toContain('needs its certificate as a file')
  await onRoot('ca', 'issue', PEER, '--for', 'builds', '--out', file)
  expect(openCertificate(await readFile(file))).toMatchObject({
    ...{ issuer: root, subject: { kind: 'machine', peer: PEER }, names: ['builds'] },
  })
  await onRoot('ca', 'revoke', PEER, ADA)
  expect((await onRoot('ca', 'renew', file)).error).toContain('has been revoked')
  const shown = (await onRoot('ca', 'list', '--json')).json()
  expect(shown).toMatchObject({
    organisations: [{ certificates: [], revoked: [PEER, ADA].sort() }],
  })
})

test('what makes no sense is refused, with what to do', async () => {
  expect((await onRoot('ca', 'issue', ADA, '--for', '@acme')).error).toContain(
    'there is no key "ca"',
  )
  await makeRoot()
  expect((await onRoot('ca', 'init')).error).toContain('there is a key')
  const cases: [string[], string][] = [
    [['issue', 'somebody', '--for', '@acme'], "not a key's fingerprint"],
    [['issue', ADA, '--for', '../x'], 'expected @scope or a package'],
    [['issue', ADA, '--for', '@acme', '--life', '90 days'], 'expected 30m, 12h, 90d'],
    [['renew', BEN], 'no certificate of root'],
    [['import', 'none'], "can't be read"],
  ]
  for (const [args, why] of cases) {
    const { exitCode, error } = await onRoot('ca', ...args)
    expect(exitCode).not.toBe(EXIT.ok)
    expect(error).toContain(why)
  }
  await writeFile(join(home, 'junk'), 'junk')
  expect((await onRoot('ca', 'import', 'junk')).error).toContain('neither a certificate nor')
})
