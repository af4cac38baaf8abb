import { createHash } from 'node:crypto'
import { digestOf, isCatalogError } from '@catalog-p2p/core'
import { expect, test } from 'vitest'
import { parseProvenance, provenanceOf, splitManifest } from './provenance.ts'

const tarball = Buffer.from('the tarball')
const bytes = digestOf(tarball)
const PREDICATE = 'https://slsa.dev/provenance/v1'

function bundle(of = tarball, predicateType = PREDICATE): string {
  const sha512 = createHash('sha512').update(of).digest('hex')
  const statement = { predicateType, subject: [{ name: 'pkg:npm/a@1.0.0', digest: { sha512 } }] }
  const payload = Buffer.from(JSON.stringify(statement)).toString('base64')
  return JSON.stringify({
    mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
    ...{ verificationMaterial: { certificate: {} }, dsseEnvelope: { payload, signatures: [] } },
  })
}

test('is kept to the letter', () => {
  const kept = parseProvenance(bundle(), bytes)
  expect(kept).toEqual({ predicateType: PREDICATE, bundle: JSON.parse(bundle()) })
  const manifest = JSON.stringify({ name: 'a', version: '1.0.0', _provenance: kept })
  const { fields, provenance } = splitManifest(manifest)
  expect(fields).toEqual({ name: 'a', version: '1.0.0' })
  expect(provenance).toEqual(kept)
  for (const without of ['{"name":"a"}', '{"_provenance":{"mediaType":"x"}}']) {
    expect(splitManifest(without).provenance).toBeUndefined()
  }
})

test('that another machine has kept is given to clients only if it is of the version that they get', () => {
  const kept = parseProvenance(bundle(), bytes)
  const manifest = JSON.stringify({ name: 'a', version: '1.0.0', _provenance: kept })
  expect(provenanceOf({ manifest, digest: bytes })).toEqual(kept)
  expect(provenanceOf({ manifest, digest: digestOf(Buffer.from('another')) })).toBeUndefined()
  expect(provenanceOf({ manifest: '{}', digest: bytes })).toBeUndefined()
})

test.each([
  ['of another tarball', bundle(Buffer.from('another')), /other bytes/],
  ['that is none', '{"mediaType":"x"}', /no Sigstore bundle/],
  ['that says nothing of what it is', bundle(tarball, ''), /no Sigstore bundle/],
  ['that is no JSON', 'x', /no Sigstore bundle/],
  ['that is too large', 'x'.repeat(40_001), /more than 40000 bytes/],
])('%s is refused', (_what, text, words) => {
  expect(() => parseProvenance(text, bytes)).toThrow(words)
  try {
    parseProvenance(text, bytes)
  } catch (error) {
    expect(isCatalogError(error, 'INVALID_OPTIONS')).toBe(true)
  }
})
