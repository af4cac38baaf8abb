import {
  brotliCompressSync,
  deflateRawSync,
  deflateSync,
  gunzipSync,
  gzipSync,
  zstdCompressSync,
} from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { DEFAULT_REGISTRY } from '../../upstream/default-registry.ts'
import { processPackument, type PackumentJob } from './packument-document.ts'
import { distTagsOf, findFile, findVersion } from './version-lines.ts'

const tarball = (version: string) => `${DEFAULT_REGISTRY}n/-/n-${version}.tgz`
const document = {
  name: 'n',
  'dist-tags': { latest: '1.0.1' },
  versions: {
    '1.0.0': {
      ...{ name: 'n', version: '1.0.0', _npmUser: {}, readme: 'long', bin: { n: 'n.js' } },
      dist: { tarball: tarball('1.0.0'), integrity: 'sha512-a', shasum: 'aa' },
    },
    '1.0.1': {
      ...{ name: 'n', version: '1.0.1', scripts: { install: 'x', test: 'y' } },
      dist: { tarball: 'https://cdn.invalid/files/0123.tgz', shasum: 'bb' },
    },
    '1.0.1-rc.1': { name: 'n', version: '1.0.1-rc.1', dist: {} },
  },
  time: { modified: '2026-01-01T00:00:00.000Z' },
}
const form = { policy: 'self', base: 'http://localhost:4874', isKept: true } as const

function job(change: Partial<PackumentJob> = {}): PackumentJob {
  const body = Buffer.from(JSON.stringify(document))
  return {
    ...{
      body,
      codings: [],
      maxBytes: 1e6,
      registry: DEFAULT_REGISTRY,
      isPrivate: false,
      name: 'n',
      form,
      abbreviate: false,
      ingest: true,
    },
    ...change,
  }
}
const unpack = (bytes: Uint8Array | undefined) =>
  JSON.parse(gunzipSync(bytes ?? new Uint8Array(0)).toString()) as typeof document

describe('a packument', () => {
  test('changes in nothing but its tarball URLs', () => {
    const expected = structuredClone(document)
    for (const [version, { dist }] of Object.entries(expected.versions)) {
      Object.assign(dist, { tarball: `http://localhost:4874/n/-/n-${version}.tgz` })
    }
    expect(unpack(processPackument(job()).variant)).toEqual(expected)
  })

  test('keeps, for those who note it, a URL that is not the usual one', () => {
    const usual = { policy: 'usual', base: 'http://x', isKept: true } as const
    const { versions } = unpack(processPackument(job({ form: usual })).variant)
    expect(
      Object.values(versions).map(({ dist }) => ('tarball' in dist ? dist.tarball : '')),
    ).toEqual([
      'http://x/n/-/n-1.0.0.tgz',
      'https://cdn.invalid/files/0123.tgz',
      'http://x/n/-/n-1.0.1-rc.1.tgz',
    ])
  })

  test('that need not change is not made anew', () => {
    const same = structuredClone(document)
    Reflect.deleteProperty(same.versions, '1.0.1')
    Reflect.deleteProperty(same.versions, '1.0.1-rc.1')
    const body = Buffer.from(JSON.stringify(same))
    const leave = { policy: 'leave', base: 'http://x', isKept: true } as const
    const result = processPackument(job({ body, form: leave }))
    expect(result.variant).toBeUndefined()
    expect(result.ingested?.publicUrls).toBe(true)
    expect(processPackument(job()).ingested?.publicUrls).toBe(false)
  })

  test.each([
    [
      'in two gzip members',
      [gzipSync(job().body.subarray(0, 99)), gzipSync(job().body.subarray(99))],
    ],
    ['with zeros behind it', [gzipSync(job().body), Buffer.alloc(8)]],
  ])('that came %s is kept in one, whose last bytes tell its length', (_, parts) => {
    const { ingested } = processPackument(job({ body: Buffer.concat(parts), codings: ['gzip'] }))
    const raw = Buffer.from(ingested?.raw ?? [])
    expect(gunzipSync(raw).equals(job().body)).toBe(true)
    expect(raw.readUInt32LE(raw.length - 4)).toBe(job().body.length)
  })

  test('comes packed or not, and the same hash comes of it', () => {
    const plain = processPackument(job())
    const packed = processPackument(job({ body: gzipSync(job().body), codings: ['gzip'] }))
    expect(packed.ingested?.hash).toBe(plain.ingested?.hash)
    expect(unpack(packed.ingested?.raw)).toEqual(document)
    expect(unpack(plain.ingested?.raw)).toEqual(document)
  })

  test('lists its versions', () => {
    const { ingested } = processPackument(job({ form: undefined }))
    const lines = gunzipSync(ingested?.versions ?? new Uint8Array(0))
    expect(JSON.parse(distTagsOf(lines).toString())).toEqual({ latest: '1.0.1' })
    expect(findVersion(lines, '1.0.0')).toEqual({
      ...{ version: '1.0.0', integrity: 'sha512-a', shasum: 'aa', tarball: tarball('1.0.0') },
      signatures: '',
    })
    expect(findVersion(lines, '1.0.1')).toMatchObject({ integrity: '', shasum: 'bb' })
    expect(findVersion(lines, '1.0.1-rc.1')).toMatchObject({ integrity: '', shasum: '' })
    expect(findVersion(lines, '1.0')).toBeUndefined()
    expect(findFile(lines, '0123.tgz')).toMatchObject({ version: '1.0.1' })
    expect(findFile(lines, '23.tgz')).toBeUndefined()
    expect(findFile(lines, 'none.tgz')).toBeUndefined()
  })

  test('with line breaks in its fields cannot forge a line', () => {
    const forged = structuredClone(document)
    forged.versions['1.0.0'].dist.integrity = 'x\n9.9.9\tsha512-evil\t\t'
    const body = Buffer.from(JSON.stringify(forged))
    const { ingested } = processPackument(job({ body }))
    const lines = gunzipSync(ingested?.versions ?? new Uint8Array(0))
    expect(findVersion(lines, '9.9.9')).toBeUndefined()
    expect(findVersion(lines, '1.0.0')?.integrity).toBe('x 9.9.9 sha512-evil')
    forged.versions['1.0.0'].dist.tarball = 'https://x/\n9.9.9\tsha512-evil\t\t'
    const other = processPackument(job({ body: Buffer.from(JSON.stringify(forged)) })).ingested
    const left = gunzipSync(other?.versions ?? new Uint8Array(0))
    expect(findVersion(left, '9.9.9')).toBeUndefined()
    expect(findVersion(left, '1.0.0')).toBeUndefined()
  })

  test('may have its hashes in a list', () => {
    const odd: unknown = {
      versions: { '1.0.0': { dist: { integrity: ['sha1-a', 7, 'sha512-b'], shasum: 5 } } },
    }
    const { ingested } = processPackument(job({ body: Buffer.from(JSON.stringify(odd)) }))
    const lines = gunzipSync(ingested?.versions ?? new Uint8Array(0))
    expect(findVersion(lines, '1.0.0')).toMatchObject({ integrity: 'sha1-a sha512-b', shasum: '' })
  })

  test.each([
    ['null', null],
    ['a string', 'x'],
    ['a list', []],
    ['a number for its tarball', { dist: { tarball: 5 } }],
    ['a string for its dist', { dist: 'x' }],
  ])('of which one version is %s has the others', (_what, broken) => {
    const odd = { ...document, versions: { ...document.versions, '9.0.0': broken } }
    for (const abbreviate of [false, true]) {
      const body = Buffer.from(JSON.stringify(odd))
      const { ingested, variant } = processPackument(job({ body, abbreviate }))
      expect(ingested?.dropped).toEqual(['9.0.0'])
      const kept = Object.keys(document.versions)
      expect(Object.keys(unpack(ingested?.raw).versions)).toEqual(kept)
      expect(Object.keys(unpack(variant).versions)).toEqual(kept)
    }
  })

  test.each([
    ['br', [brotliCompressSync], ['br']],
    ['deflate', [deflateSync], ['deflate']],
    ['deflate without its header', [deflateRawSync], ['deflate']],
    ['zstd', [zstdCompressSync], ['zstd']],
    ['gzip in br', [gzipSync, brotliCompressSync], ['gzip', 'br']],
  ] as const)('comes in %s', (_name, pack, codings) => {
    const body = pack.reduce((bytes: Buffer, one) => one(bytes), Buffer.from(job().body))
    const { ingested } = processPackument(job({ body, codings }))
    expect(unpack(ingested?.raw)).toEqual(document)
  })

  test('is abbreviated to what installers need', () => {
    const short = unpack(processPackument(job({ abbreviate: true })).variant)
    expect(Object.keys(short)).toEqual(['name', 'modified', 'dist-tags', 'versions'])
    expect(short.versions['1.0.0']).toEqual({
      ...{ name: 'n', version: '1.0.0', bin: { n: 'n.js' } },
      dist: {
        ...document.versions['1.0.0'].dist,
        tarball: 'http://localhost:4874/n/-/n-1.0.0.tgz',
      },
    })
    expect(short.versions['1.0.1']).toMatchObject({ hasInstallScript: true })
    expect(short.versions['1.0.1']).not.toHaveProperty('scripts')
  })

  test.each(['', 'x', '[]', 'null', '{"versions":[]}'])('%j is none', (text) => {
    expect(() => processPackument(job({ body: Buffer.from(text) }))).toThrow()
  })

  test('may lack versions', () => {
    const body = Buffer.from('{"name":"n","time":{"unpublished":{}}}')
    expect(processPackument(job({ body })).ingested?.hash).toHaveLength(22)
  })

  test.each([
    ['gzip', gzipSync],
    ['br', brotliCompressSync],
    ['deflate', deflateSync],
    ['zstd', zstdCompressSync],
  ] as const)('that unpacks to more than allowed is refused: %s', (coding, pack) => {
    const text = `{"versions":{}}${' '.repeat(2_000_000)}`
    const body = pack(Buffer.from(text))
    expect(() => processPackument(job({ body, codings: [coding], maxBytes: 3e6 }))).not.toThrow()
    expect(() => processPackument(job({ body, codings: [coding] }))).toThrow(RangeError)
  })
})
