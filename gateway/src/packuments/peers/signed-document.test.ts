/** What a peer may say of a package's metadata and what is made of it: each lie that a document can hold. */
import { createHash } from 'node:crypto'
import { gunzipSync, gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { createRegistrySigner } from '../../../../test/support/features/features-signatures.ts'
import { compareVersion } from './compare-version.ts'
import type { ClaimFields } from './version-claims.ts'
import { uniteDocuments, type SignedDocument, type SignedDocumentJob } from './signed-document.ts'

type Json = Record<string, unknown>

const signer = createRegistrySigner(() => 'key of the registry')
const stranger = createRegistrySigner(() => 'key of nobody')
const { key } = signer.key as { key: string }
const NAME = 'fx-lied-about'
const REGISTRY = 'https://registry.example/'

const integrityOf = (text: string): string =>
  `sha512-${createHash('sha512').update(text).digest('base64')}`

function manifest(version: string, more: Json = {}, by = signer): Json {
  const integrity = integrityOf(version)
  const sig = by.sign(Buffer.from(`${NAME}@${version}:${integrity}`))
  const dist = { integrity, tarball: 'https://evil.example/x.tgz', shasum: 'aa' }
  return {
    ...{ name: NAME, version, ...more },
    dist: { ...dist, signatures: [{ keyid: by.keyid, sig }] },
  }
}

function document(manifests: readonly Json[], more: Json = {}): Json {
  const versions = Object.fromEntries(manifests.map((each) => [each.version, each]))
  return { name: NAME, 'dist-tags': { latest: manifests.at(-1)?.version }, versions, ...more }
}

function unite(documents: readonly unknown[], options: Partial<SignedDocumentJob> = {}) {
  return uniteDocuments({
    ...{ registry: REGISTRY, name: NAME, maxBytes: 1_000_000, isStrict: true },
    keys: [{ keyId: signer.keyid, spki: Buffer.from(key, 'base64') }],
    documents: documents.map((each, index) => ({
      peer: `peer-${index}`,
      body: each instanceof Uint8Array ? each : gzipSync(JSON.stringify(each)),
    })),
    ...options,
  })
}

interface Read extends ClaimFields {
  readonly 'dist-tags': Record<string, string>
  readonly versions: Record<string, Json & { readonly dist: Json }>
  readonly time?: Record<string, string>
}

function read({ body }: SignedDocument): Read {
  if (body === undefined) throw new Error('nothing is left of it')
  return JSON.parse(gunzipSync(body).toString()) as Read
}

describe('a version', () => {
  test('that one peer hides is shown by another', () => {
    const made = unite([
      document([manifest('1.0.0')]),
      document([manifest('1.0.0'), manifest('1.0.1')]),
    ])
    expect(made.problems).toEqual([undefined, undefined])
    expect(Object.keys(read(made).versions)).toEqual(['1.0.0', '1.0.1'])
    expect(read(made)._peers).toEqual({ '1.0.0': 'peer-0', '1.0.1': 'peer-1' })
  })

  test('without a signature, or signed by a key of nobody here, is left out, and nobody blamed', () => {
    const unsigned = { name: NAME, version: '1.0.1', dist: { integrity: integrityOf('x') } }
    const made = unite([document([manifest('1.0.0'), unsigned, manifest('1.0.2', {}, stranger)])])
    expect(made.problems).toEqual([undefined])
    expect(Object.keys(read(made).versions)).toEqual(['1.0.0'])
    expect(read(made)['dist-tags']).toEqual({ latest: '1.0.0' })
  })

  test('under a false signature takes its whole document with it', () => {
    const forged = manifest('1.0.1')
    const swapped = { ...forged, dist: manifest('1.0.0').dist }
    const other = { ...forged, dist: { ...(forged.dist as Json), integrity: integrityOf('evil') } }
    for (const each of [swapped, other]) {
      const made = unite([document([manifest('1.0.0'), each]), document([manifest('1.0.0')])])
      expect(made.problems).toEqual([expect.stringContaining('false signature'), undefined])
      expect(read(made)._peers).toEqual({ '1.0.0': 'peer-1' })
    }
  })

  test.each([
    ['the highest of a line', '1.0.1', {}],
    ['the highest of all', '2.0.0', {}],
    ['a prerelease of what is not released', '1.0.2-rc.2', {}],
    ['what a tag names', '1.0.0', { old: '1.0.0' }],
  ])('that is %s is verified when its document is taken in', (_what, forged, tags) => {
    const all = ['1.0.0', '1.0.1', '1.0.2-rc.1', '1.0.2-rc.2', '1.1.0', '2.0.0']
    const signed = all.filter((each) => each !== forged).map((each) => manifest(each))
    const lie = { ...manifest(forged), dist: manifest('9.9.9').dist }
    const made = unite([document([...signed, lie], { 'dist-tags': tags })])
    expect(made.problems).toEqual([expect.stringContaining('false signature')])
  })

  test('that no tag and no range picks is passed on as it came, until it is used', () => {
    const forged = { ...manifest('1.0.0'), dist: manifest('9.9.9').dist }
    const made = unite([document([forged, manifest('1.0.1')])])
    expect(made.problems).toEqual([undefined])
    expect(Object.keys(read(made).versions)).toEqual(['1.0.0', '1.0.1'])
  })

  test.each([
    ['hash', integrityOf('evil')],
    ['signature', integrityOf('1.0.0')],
  ])('of which two peers give another %s is verified whatever it is', (_what, integrity) => {
    const dist = { ...(manifest('9.9.9').dist as Json), integrity }
    const forged = { ...manifest('1.0.0'), dist }
    const honest = document([manifest('1.0.0'), manifest('1.0.1')])
    const liar = document([forged, manifest('1.0.1')])
    const lie = expect.stringContaining('false signature') as string
    expect(unite([liar, honest]).problems).toEqual([lie, undefined])
    expect(unite([honest, liar]).problems).toEqual([undefined, lie])
  })

  test('under a false signature of the registry itself is left out of what goes to peers', () => {
    const swapped = { ...manifest('1.0.1'), dist: manifest('1.0.0').dist }
    const made = unite([document([manifest('1.0.0'), swapped])], { isStrict: false })
    expect(made.problems).toEqual([undefined])
    expect(Object.keys(read(made).versions)).toEqual(['1.0.0'])
  })

  test('of another name or number than it says is left out', () => {
    const renamed = { ...manifest('1.0.1'), name: 'fx-other' }
    const made = unite([{ ...document([manifest('1.0.0'), renamed]) }])
    expect(Object.keys(read(made).versions)).toEqual(['1.0.0'])
    const moved = { name: NAME, versions: { '9.9.9': manifest('1.0.0') } }
    expect(unite([moved]).body).toBeUndefined()
  })

  test('lies where its name says, whatever a peer says, and has nothing that installing does not need', () => {
    const [version = {}] = Object.values(
      read(unite([document([manifest('1.0.0', { scripts: { test: 'x' }, extra: 1 })])])).versions,
    )
    const { dist, ...rest } = version as Json & { dist: Json }
    expect(rest).toEqual({ name: NAME, version: '1.0.0' })
    expect(Object.keys(dist).sort()).toEqual(['integrity', 'signatures', 'tarball'])
    expect(dist.tarball).toBe(`${REGISTRY}${NAME}/-/${NAME}-1.0.0.tgz`)
  })
})

describe('what no signature covers', () => {
  const old = manifest('1.0.0', { engines: { node: '>=18' } })
  const plain = manifest('1.1.0', { engines: { node: '>=18' }, dependencies: { a: '^1.0.0' } })
  const packageJson = JSON.stringify({ ...plain, dist: undefined })
  const tarball = { packageJson, hasGypFile: false, hasShrinkwrap: false }

  test.each([
    ['another system', { os: ['plan9'] }],
    ['another processor', { cpu: ['!arm64', `!${process.arch}`] }],
    ['a newer engine', { engines: { node: '>=99' } }],
  ])('hides no version behind %s that another peer shows', (_what, lie) => {
    const made = unite([document([old, { ...plain, ...lie }]), document([old, plain])])
    const { versions, _peers, _platformPeers } = read(made)
    expect(versions['1.1.0']).toMatchObject({ engines: { node: '>=18' } })
    expect(versions['1.1.0']).not.toMatchObject(lie)
    expect({ _peers, _platformPeers }).toEqual({
      _peers: { '1.0.0': 'peer-0', '1.1.0': 'peer-0' },
      _platformPeers: { '1.1.0': 'peer-1' },
    })
    expect(compareVersion(read(made), { version: '1.1.0', tarball })).toEqual({ isKnown: true })
  })

  test('is blamed on the peer whose word it was, and disputed where another said otherwise', () => {
    const open = { ...plain, engines: {} }
    const made = read(unite([document([plain]), document([open]), document([plain])]))
    expect(compareVersion(made, { version: '1.1.0', tarball }).difference).toEqual({
      ...{ field: 'engines', peer: 'peer-1', isDisputed: true },
    })
    const alone = read(unite([document([{ ...plain, dependencies: {} }])]))
    expect(compareVersion(alone, { version: '1.1.0', tarball }).difference).toEqual({
      ...{ field: 'dependencies', peer: 'peer-0', isDisputed: false },
    })
  })

  test('is not taken again from a peer whose word was refused', () => {
    const refused = [{ version: '1.1.0', peer: 'peer-0' }]
    const lie = { ...plain, dependencies: { evil: '*' } }
    const made = read(unite([document([old, lie]), document([plain])], { refused }))
    expect(made.versions['1.1.0']).toMatchObject({ dependencies: { a: '^1.0.0' } })
    expect(Object.keys(read(unite([document([old, lie])], { refused })).versions)).toEqual([
      '1.0.0',
    ])
  })
})

describe('a tag', () => {
  const all = [manifest('1.0.0'), manifest('1.1.0'), manifest('2.0.0-rc.1')]

  test('never names a version without evidence; latest is then the highest that is no prerelease', () => {
    const tags = { latest: '6.6.6', next: '6.6.6' }
    expect(read(unite([document(all, { 'dist-tags': tags })]))['dist-tags']).toEqual({
      latest: '1.1.0',
    })
  })

  test('that one of three peers has moved stays where the others have it', () => {
    const moved = document(all, { 'dist-tags': { latest: '1.0.0' } })
    const honest = document(all, { 'dist-tags': { latest: '1.1.0' } })
    expect(read(unite([moved, honest, honest]))['dist-tags']).toEqual({ latest: '1.1.0' })
  })
})

describe('a time', () => {
  test('of a version is the latest that any peer says', () => {
    const old = document([manifest('1.0.0')], { time: { '1.0.0': '2001-01-01T00:00:00.000Z' } })
    const young = document([manifest('1.0.0')], { time: { '1.0.0': '2026-01-01T00:00:00.000Z' } })
    const made = unite([old, young])
    expect(made.hasTimes).toBe(true)
    expect(read(made).time).toEqual({ '1.0.0': '2026-01-01T00:00:00.000Z' })
  })

  test('that is none is not passed on', () => {
    const made = unite([document([manifest('1.0.0')], { time: { '1.0.0': 'soon', '6.6.6': 1 } })])
    expect(made.hasTimes).toBe(false)
    expect(read(made).time).toBeUndefined()
  })
})

describe('a document', () => {
  test.each([
    ['of another package', { ...document([manifest('1.0.0')]), name: 'fx-other' }],
    ['that is no object', [1]],
    ['that is not gzipped', Buffer.from('{}')],
    ['that is not JSON', gzipSync('{')],
    ['that is too long unpacked', gzipSync(Buffer.alloc(1_000_001, 0x20))],
    ['of more levels than any package has', gzipSync('['.repeat(400_000) + ']'.repeat(400_000))],
  ])('%s is an offence, and hides nothing of the others', (_what, bad) => {
    const made = unite([bad, document([manifest('1.0.0')])])
    expect(made.problems).toEqual([expect.any(String), undefined])
    expect(Object.keys(read(made).versions)).toEqual(['1.0.0'])
  })

  test('with names of built-in properties does no harm', () => {
    const text = `{"name":"${NAME}","__proto__":{"x":1},"dist-tags":{"__proto__":"1.0.0"},"versions":{"__proto__":{},"constructor":{}}}`
    expect(unite([gzipSync(text)])).toMatchObject({ body: undefined, problems: [undefined] })
  })
})
