import { expect, test } from 'vitest'
import { isFromUplink, storedFiles, tarballRecord } from './manifest.ts'

const sha1 = (digit: string): string => digit.repeat(40)
const hashOf = (hex: string): string => Buffer.from(hex, 'hex').toString('base64')

const manifest = {
  name: '@fx/beta',
  versions: {
    '1.0.0': {
      dist: { tarball: 'https://host.example/@fx/beta/-/beta-1.0.0.tgz', shasum: sha1('1') },
    },
    '2.0.0': { dist: { tarball: 'https://cdn.example/blobs/odd.tgz?token=1', shasum: sha1('2') } },
    '3.0.0': { dist: null },
  },
  _distfiles: {
    'beta-1.0.0.tgz': {
      ...{ url: 'https://host.example/@fx/beta/-/beta-1.0.0.tgz', registry: 'main' },
      sha: sha1('1'),
    },
    'lost-9.0.0.tgz': { url: 'https://host.example/lost-9.0.0.tgz', sha: sha1('9') },
  },
  _attachments: { 'beta-1.0.0.tgz': { shasum: sha1('1') } },
  _uplinks: { main: { etag: '"x"' } },
}

test('a file is found by the version in its name, with its uplink', () => {
  expect(tarballRecord(manifest, '@fx/beta', 'beta-1.0.0.tgz')).toEqual({
    label: '@fx/beta@1.0.0',
    expected: { algorithm: 'sha1', hashes: [hashOf(sha1('1'))] },
    isRecorded: true,
    isProxied: true,
    uplink: 'main',
  })
})

test('a file of another name is found by the address in dist', () => {
  const record = tarballRecord(manifest, '@fx/beta', 'odd.tgz')
  expect(record.label).toBe('@fx/beta@2.0.0')
  expect(record.expected?.hashes).toEqual([hashOf(sha1('2'))])
  expect(record.isProxied).toBe(false)
})

test('a file that no version names has what the record of its download says', () => {
  const record = tarballRecord(manifest, '@fx/beta', 'lost-9.0.0.tgz')
  expect(record.label).toBe('@fx/beta (lost-9.0.0.tgz)')
  expect(record.expected?.hashes).toEqual([hashOf(sha1('9'))])
})

test.each([
  [undefined],
  [null],
  ['text'],
  [{}],
  [{ versions: [] }],
  [{ versions: { '1.0.0': 1 } }],
])('of %j nothing is known, and nothing breaks', (broken) => {
  const record = tarballRecord(broken, 'x', 'x-1.0.0.tgz')
  expect(record).toEqual({
    label: 'x (x-1.0.0.tgz)',
    expected: undefined,
    isRecorded: false,
    isProxied: false,
    uplink: undefined,
  })
  expect(storedFiles(broken)).toEqual([])
  expect(isFromUplink(broken)).toBe(false)
})

test.each([
  ['published over it', sha1('2'), { shasum: sha1('1') }],
  ['published over it, with no shasum', sha1('2'), {}],
  ['of which the uplink gave no shasum', undefined, { shasum: sha1('1') }],
  ['of which nobody gave one', undefined, {}],
  ['not there yet, as while it is being published', sha1('2'), undefined],
])("a version %s is not the uplink's", (_, sha, dist) => {
  const tarball = 'https://host.example/fx/-/fx-1.0.0.tgz'
  const versions = dist === undefined ? {} : { '1.0.0': { dist: { tarball, ...dist } } }
  const left = { versions, _distfiles: { 'fx-1.0.0.tgz': { url: tarball, registry: 'main', sha } } }
  const record = tarballRecord(left, 'fx', 'fx-1.0.0.tgz')
  expect(record).toMatchObject({ isRecorded: true, isProxied: false })
})

test('a name that every object has is nobody`s version', () => {
  expect(tarballRecord(manifest, 'x', 'x-constructor.tgz').expected).toBeUndefined()
  expect(tarballRecord(manifest, 'x', '__proto__').isProxied).toBe(false)
})

test('what is stored, and where the package is known from', () => {
  expect(storedFiles(manifest)).toEqual(['beta-1.0.0.tgz'])
  expect(isFromUplink(manifest)).toBe(true)
})
