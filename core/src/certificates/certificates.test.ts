import { describe, expect, test } from 'vitest'
import { decodeCanonical, encodeCanonical, type CanonicalValue } from '../signing/canonical.ts'
import { generateKey, SIGNATURE_BYTES } from '../signing/hybrid-key.ts'
import { keyIdFromBytes, keyIdOf } from '../signing/key-id.ts'
import { signStatement } from '../signing/statement.ts'
import { issueCertificate, openCertificate, type CertificateClaims } from './certificate.ts'
import { openRevocations, signRevocations } from './revocation-list.ts'
import {
  verifyCertificate,
  type CertificateContext,
  type CertifiedAs,
} from './verify-certificate.ts'

const root = generateKey()
const other = generateKey()
const KEY = keyIdFromBytes(new Uint8Array(32).fill(1))
const PEER = '12D3KooWGRUfS4sZCXV7TGDGyrpnbKZ5GHPMLiNSMDLTQ4FsbmaF'
const HOUR_MS = 3_600_000
const NOW_MS = Date.UTC(2026, 10, 29)

const claims: CertificateClaims = {
  subject: { kind: 'publisher', key: KEY },
  names: ['@acme', 'left-pad'],
  notBeforeMs: NOW_MS - HOUR_MS,
  notAfterMs: NOW_MS + HOUR_MS,
  note: "Ada's laptop",
}
const certificate = issueCertificate(claims, root)
const wanted = { kind: 'publisher', key: KEY, name: '@acme/tool' } as const
const context: CertificateContext = {
  ...{ root: keyIdOf(root.publicKey), nowMs: NOW_MS, revoked: undefined },
}
const machine = issueCertificate(
  { ...claims, subject: { kind: 'machine', peer: PEER }, names: ['builds'] },
  root,
)

function judge(bytes: Uint8Array, as: CertifiedAs, more: Partial<CertificateContext> = {}): string {
  const found = verifyCertificate(bytes, as, { ...context, ...more })
  return found.verdict === 'valid' ? found.verdict : found.reason
}

test('bodies are spelled as docs/protocol.md says', () => {
  const bodyOf = (bytes: Uint8Array): string => {
    const [, , body] = decodeCanonical(bytes, { maxBytes: 10_000 }) as [string, object, Uint8Array]
    return Buffer.from(body).toString('hex')
  }
  const text = (value: string): string => Buffer.from(value).toString('hex')
  const [from, until] = [claims.notBeforeMs, claims.notAfterMs].map((ms) =>
    (ms / 1000).toString(16).padStart(8, '0'),
  )
  expect(bodyOf(certificate)).toBe(
    [
      ...['a6', `64${text('from')}`, `1a${from}`, `64${text('kind')}`, `69${text('publisher')}`],
      ...[`64${text('note')}`, `6c${text("Ada's laptop")}`, `65${text('names')}`],
      ...['82', `65${text('@acme')}`, `68${text('left-pad')}`, `65${text('until')}`, `1a${until}`],
      ...[`67${text('subject')}`, `7845${text(KEY)}`],
    ].join(''),
  )
  const list = signRevocations({ sequence: 1, issuedAtMs: 1_000, subjects: ['b', 'a'] }, root)
  expect(bodyOf(list)).toBe(
    ['a3', `62${text('at')}`, '01', `68${text('sequence')}`, '01', `68${text('subjects')}`]
      .concat('82', `61${text('a')}`, `61${text('b')}`)
      .join(''),
  )
})

test('a certificate says what it was issued for', () => {
  expect(openCertificate(certificate)).toEqual({ ...claims, issuer: context.root })
})

describe('a certificate counts', () => {
  test.each<[string, Uint8Array, CertifiedAs, Partial<CertificateContext>, string]>([
    ['for its names', certificate, wanted, {}, 'valid'],
    ['for a package by itself', certificate, { ...wanted, name: 'left-pad' }, {}, 'valid'],
    ['for any case of them', certificate, { ...wanted, name: '@ACME/Tool' }, {}, 'valid'],
    ['for no longer scope', certificate, { ...wanted, name: '@acme-evil/tool' }, {}, 'other-name'],
    ['for no other name', certificate, { ...wanted, name: 'left-pad2' }, {}, 'other-name'],
    ['for no scope called like it', certificate, { ...wanted, name: 'acme' }, {}, 'other-name'],
    ['for no other key', certificate, { ...wanted, key: context.root }, {}, 'other-subject'],
    ['by its own root only', certificate, wanted, { root: keyIdOf(other.publicKey) }, 'other-root'],
    ['from when it begins', certificate, wanted, { nowMs: NOW_MS - HOUR_MS }, 'valid'],
    ['not before', certificate, wanted, { nowMs: NOW_MS - HOUR_MS - 1 }, 'not-yet'],
    ['until it ends', certificate, wanted, { nowMs: NOW_MS + HOUR_MS - 1 }, 'valid'],
    ['not after', certificate, wanted, { nowMs: NOW_MS + HOUR_MS }, 'expired'],
    ['unless it is revoked', certificate, wanted, { revoked: new Set([KEY]) }, 'revoked'],
    ['while others are', certificate, wanted, { revoked: new Set([PEER]) }, 'valid'],
    ['of a machine', machine, { kind: 'machine', peer: PEER, swarm: 'builds' }, {}, 'valid'],
    ['in no other swarm', machine, { kind: 'machine', peer: PEER, swarm: 'x' }, {}, 'other-name'],
    ['as what it is', machine, { ...wanted, name: 'builds' }, {}, 'other-subject'],
  ])('%s', (_, bytes, as, more, expected) => {
    expect(judge(bytes, as, more)).toBe(expected)
  })

  test('with both signatures', () => {
    const at = (fromEnd: number): Uint8Array =>
      certificate.with(-fromEnd, (certificate.at(-fromEnd) ?? 0) ^ 1)
    expect(judge(at(SIGNATURE_BYTES - 5), wanted)).toBe('malformed') // Ed25519's
    expect(judge(at(300), wanted)).toBe('malformed') // Falcon's
  })

  const body = {
    ...{ kind: 'publisher', subject: KEY, names: ['@acme'], note: '' },
    ...{ from: 0, until: 9_999_999_999 },
  }
  test.each<[string, Uint8Array]>([
    ['nothing', new Uint8Array()],
    ['no statement', encodeCanonical(['catalog/certificate/1'])],
    ['another statement', signStatement({ type: 'catalog/release/1', body }, root)],
    ['too much', signStatement({ type: 'catalog/certificate/1', body: 'x'.repeat(20_000) }, root)],
    ['a list', signStatement({ type: 'catalog/certificate/1', body: [] }, root)],
    ['a field more', sign({ ...body, more: 1 })],
    ['no names', sign({ ...body, names: [] })],
    ['names that are none', sign({ ...body, names: ['@acme tool'] })],
    ['a kind that is none', sign({ ...body, kind: 'root' })],
    ['a subject that is none', sign({ ...body, subject: 'somebody' })],
    ['an end before its beginning', sign({ ...body, until: 0 })],
    ['times that are none', sign({ ...body, until: Number.MAX_SAFE_INTEGER })],
    ['a note that moves the cursor', sign({ ...body, note: '\u001b[2J' })],
  ])('and is none: %s', (_, bytes) => {
    expect(judge(bytes, wanted)).toBe('malformed')
  })

  test('is issued only when it makes sense', () => {
    expect(() => issueCertificate({ ...claims, names: [] }, root)).toThrow('1 to 32 names')
    expect(() => issueCertificate({ ...claims, notAfterMs: 0 }, root)).toThrow('ends before')
  })

  function sign(fields: CanonicalValue): Uint8Array {
    return signStatement({ type: 'catalog/certificate/1', body: fields }, root)
  }
})

describe('a revocation list', () => {
  const list = { sequence: 2, issuedAtMs: NOW_MS, subjects: [KEY, PEER, KEY] }
  test('is sorted, without repetition, and says who signed it', () => {
    const opened = openRevocations(signRevocations(list, root))
    expect(opened).toEqual({ ...list, subjects: [KEY, PEER].sort(), issuer: context.root })
  })

  const body = { sequence: 1, at: 0, subjects: ['a', 'b'] }
  test.each<[string, unknown]>([
    ['no number', { ...body, sequence: 0 }],
    ['out of order', { ...body, subjects: ['b', 'a'] }],
    ['twice the same', { ...body, subjects: ['a', 'a'] }],
    ['no ids', { ...body, subjects: ['a b'] }],
    ['a field more', { ...body, more: 1 }],
  ])('is refused with %s', (_, wrong) => {
    const type = 'catalog/revocations/1'
    const bytes = signStatement({ type, body: wrong as typeof body }, root)
    expect(() => openRevocations(bytes)).toThrow('make no sense')
  })

  test('is never a certificate, nor the other way round', () => {
    expect(judge(signRevocations(list, root), wanted)).toBe('malformed')
    expect(() => openRevocations(certificate)).toThrow('refused')
  })

  test('is not signed when nobody could read it', () => {
    const subjects = Array.from({ length: 4097 }, (_, index) => `a${index}`)
    expect(() => signRevocations({ ...list, subjects }, root)).toThrow('list of revocations')
  })
})
