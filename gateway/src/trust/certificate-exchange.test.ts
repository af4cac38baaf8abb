/** What organisations say, over restarts and between peers; and what peers may try with it. */
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  generateKey,
  issueCertificate,
  keyIdFromBytes,
  keyIdOf,
  signRevocations,
  type CatalogNode,
  type HybridKey,
  type KeyId,
} from '@catalog-p2p/core'
import { swarm, type Swarm } from '../../../test/support/swarm.ts'
import { until } from '../../../test/support/until.ts'
import { startCertificateExchange, type CertificateExchange } from './certificate-exchange.ts'
import { CertificateBook } from './certificate-book.ts'
import { CERTIFICATES, organisationMark } from './certificate-messages.ts'
import type { OrganisationStatements } from './organisation.ts'
import { certificatesPath, changeTrustFile, trustFilePath } from './trust-file.ts'
import { withEntry } from './trust-entries.ts'
import { openTrust } from './trust.ts'

const rootKey = generateKey()
const strangerKey = generateKey()
const ROOT = keyIdOf(rootKey.publicKey)
const [ADA, BEN] = [1, 2].map((each) => keyIdFromBytes(new Uint8Array(32).fill(each))) as [
  KeyId,
  KeyId,
]
const HOUR_MS = 3_600_000
const NOW_MS = Date.UTC(2026, 10, 29)

let nowMs = NOW_MS
let logged: string[]
const note = (event: string): void => void logged.push(event)
const log = { debug: note, info: note, warn: note, error: note }

function certify(key: KeyId, more: { names?: string[]; hours?: number; by?: HybridKey } = {}) {
  const { names = ['@acme'], hours = 1, by = rootKey } = more
  return issueCertificate(
    {
      ...{ subject: { kind: 'publisher', key }, names, note: 'somebody' },
      ...{ notBeforeMs: NOW_MS, notAfterMs: NOW_MS + hours * HOUR_MS },
    },
    by,
  )
}
const revoke = (sequence: number, ...subjects: string[]): Uint8Array =>
  signRevocations({ sequence, issuedAtMs: NOW_MS, subjects }, rootKey)
const only = (...certificates: Uint8Array[]): OrganisationStatements => ({
  ...{ revocations: undefined, certificates },
})

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'catalog-certificates-'))
  logged = []
  nowMs = NOW_MS
})
afterEach(() => rm(folder, { recursive: true }))
const openBook = (name = 'book'): CertificateBook =>
  new CertificateBook(certificatesPath(join(folder, name)), { log, now: () => nowMs })

describe('a book of certificates', () => {
  test('names the publishers of a name, until their time is over', async () => {
    const book = openBook()
    await book.take(ROOT, only(certify(ADA), certify(BEN, { names: ['@acme/tool'], hours: 2 })))
    expect(book.publishers([ROOT], '@acme/tool').sort()).toEqual([ADA, BEN].sort())
    expect(book.publishers([ROOT], '@acme/other')).toEqual([ADA])
    expect(book.publishers([ROOT], '@other/tool')).toEqual([])
    expect(book.publishers([keyIdOf(strangerKey.publicKey)], '@acme/tool')).toEqual([])
    nowMs += HOUR_MS
    expect(book.publishers([ROOT], '@acme/tool')).toEqual([BEN])
    expect(openBook().publishers([ROOT], '@acme/tool')).toEqual([BEN])
  })

  test('a revoked key stays so: over restarts, and whatever older list or new certificate comes', async () => {
    const book = openBook()
    await book.take(ROOT, { revocations: revoke(2, ADA), certificates: [certify(ADA)] })
    expect(book.publishers([ROOT], '@acme/tool')).toEqual([])
    const again = openBook()
    const older = { revocations: revoke(1), certificates: [certify(ADA, { hours: 9 })] }
    expect(await again.take(ROOT, older)).toMatchObject({ isChanged: false, offence: undefined })
    expect(again.publishers([ROOT], '@acme/tool')).toEqual([])
    expect(again.of(ROOT).revocations?.said.sequence).toBe(2)
    await again.take(ROOT, { revocations: revoke(3, ADA, BEN), certificates: [] })
    expect(openBook().of(ROOT).revocations?.said.subjects).toEqual([ADA, BEN].sort())
  })

  test('two lists of one number: the first stays, and it is said', async () => {
    const book = openBook()
    await book.take(ROOT, { revocations: revoke(1, ADA), certificates: [] })
    const found = await book.take(ROOT, { revocations: revoke(1), certificates: [] })
    expect(found).toMatchObject({ isFork: true, isChanged: false })
    expect(logged).toContain('certificates.fork')
    expect(book.of(ROOT).revocations?.said.subjects).toEqual([ADA])
  })

  test("nothing that is not the root's is taken in", async () => {
    const book = openBook()
    const forged = certify(ADA, { by: strangerKey })
    expect((await book.take(ROOT, only(forged))).offence).toContain('not of')
    // What comes behind it is not even verified.
    const behind = await book.take(ROOT, only(forged, certify(ADA)))
    expect(behind).toMatchObject({ isChanged: false })
    const whole = certify(ADA)
    const broken = whole.with(-300, (whole.at(-300) ?? 0) ^ 1)
    expect((await book.take(ROOT, only(broken))).offence).toContain('refused')
    const machine = issueCertificate(
      {
        subject: { kind: 'machine', peer: '12D3KooWGRUfS4sZCXV7TGDGyrpnbKZ5GHPMLiNSMDLTQ4FsbmaF' },
        ...{ names: ['builds'], notBeforeMs: NOW_MS, notAfterMs: NOW_MS + HOUR_MS, note: '' },
      },
      rootKey,
    )
    await book.take(ROOT, only(machine))
    expect(book.of(ROOT).certificates).toEqual([])
  })

  test('what makes no sense any more counts for nothing, and is not written over', async () => {
    const book = openBook()
    await book.take(ROOT, only(certify(ADA)))
    if (process.platform !== 'win32') expect((await stat(book.path)).mode & 0o777).toBe(0o600)
    await writeFile(book.path, '{}')
    expect(book.publishers([ROOT], '@acme/tool')).toEqual([])
    expect(logged).toContain('certificates.unreadable')
    await expect(book.take(ROOT, only(certify(BEN)))).rejects.toThrow(
      'not what catalog has written',
    )
    expect(await readFile(book.path, 'utf8')).toBe('{}')
  })
})

test('the trust file may name a root in the place of keys', async () => {
  const path = trustFilePath(folder)
  const entry = { subject: '@acme', kind: 'root', id: ROOT, how: 'added', comment: '' } as const
  await changeTrustFile(path, (text) => withEntry(text, entry))
  const trust = openTrust({ log }, { trustPath: path, trustOnFirstUse: false })
  expect(trust.originOf('@acme/tool')).toMatchObject({ kind: 'network', publishers: [] })
  const until = issueCertificate(
    {
      ...{ subject: { kind: 'publisher', key: ADA }, names: ['@acme', '@other'], note: '' },
      ...{ notBeforeMs: Date.now() - 1000, notAfterMs: Date.now() + HOUR_MS },
    },
    rootKey,
  )
  await trust.book?.take(ROOT, only(until))
  expect(trust.originOf('@acme/tool')).toMatchObject({ publishers: [ADA], roots: [ROOT] })
  // Its root speaks for @acme here, whatever it certifies.
  expect(trust.originOf('@other/tool')).toEqual({ kind: 'registry' })
  await trust.book?.take(ROOT, { revocations: revoke(1, ADA), certificates: [] })
  expect(trust.originOf('@acme/tool')).toMatchObject({ kind: 'network', publishers: [] })
})

describe('between peers', () => {
  let world: Swarm
  let exchanges: CertificateExchange[]
  beforeEach(async () => {
    world = await swarm(2)
    exchanges = []
  })
  afterEach(async () => {
    await Promise.all(exchanges.map((each) => each.stop()))
    await world.close()
  })

  function start(
    node: CatalogNode,
    more: { roots?: KeyId[]; isPrivate?: (name: string) => boolean } = {},
  ): { book: CertificateBook; exchange: CertificateExchange } {
    const { roots = [], isPrivate = () => false } = more
    const book = openBook(node.id)
    const exchange = startCertificateExchange({ node, book, roots: () => roots, isPrivate, log })
    exchanges.push(exchange)
    return { book, exchange }
  }
  const { signal } = new AbortController()

  test('certificates and revocations spread, and are remembered', async () => {
    const a = start(world.a)
    await a.book.take(ROOT, only(certify(ADA), certify(BEN)))
    const b = start(world.b, { roots: [ROOT] })
    await until(() => b.book.publishers([ROOT], '@acme/tool').length === 2)
    await a.book.take(ROOT, { revocations: revoke(1, ADA), certificates: [] })
    await b.exchange.learn([ROOT], signal)
    expect(b.book.publishers([ROOT], '@acme/tool')).toEqual([BEN])
    expect(openBook('b').publishers([ROOT], '@acme/tool')).toEqual([BEN])
  })

  test('who has not been told of the root learns nothing: not even by asking what it was asked', async () => {
    const a = start(world.a)
    await a.book.take(ROOT, only(certify(ADA)))
    const ask = (mark: string) =>
      world.b.questions.ask(CERTIFICATES, { peer: 'a', request: { mark }, signal })
    expect(await ask(organisationMark(ROOT, 'b'))).toBeUndefined()
    expect(await ask(organisationMark(keyIdOf(strangerKey.publicKey), 'a'))).toBeUndefined()
    expect((await ask(organisationMark(ROOT, 'a')))?.certificates).toHaveLength(1)
  })

  test('certificates for private names stay here', async () => {
    const a = start(world.a, { isPrivate: (name) => name === '@secret' })
    await a.book.take(ROOT, only(certify(ADA), certify(BEN, { names: ['@acme', '@secret'] })))
    const b = start(world.b)
    await b.exchange.learn([ROOT], signal)
    expect(b.book.publishers([ROOT], '@acme/tool')).toEqual([ADA])
  })

  test('a peer that replays an older list changes nothing', async () => {
    const b = start(world.b)
    await b.book.take(ROOT, { revocations: revoke(2, ADA), certificates: [certify(BEN)] })
    world.a.questions.answer(CERTIFICATES, {
      maxStreamsPerPeer: 1,
      answer: async () => ({ revocations: revoke(1), certificates: [certify(ADA)] }),
    })
    await b.exchange.learn([ROOT], signal)
    expect(b.book.publishers([ROOT], '@acme/tool')).toEqual([BEN])
    expect(world.b.stats().bannedPeers).toBe(0)
  })

  test('a peer that forges is found out', async () => {
    world.a.questions.answer(CERTIFICATES, {
      maxStreamsPerPeer: 1,
      answer: async () => only(certify(ADA, { by: strangerKey })),
    })
    const b = start(world.b)
    await b.exchange.learn([ROOT], signal)
    expect(b.book.of(ROOT).certificates).toEqual([])
    expect(world.b.stats().bannedPeers).toBe(1)
  })
})
