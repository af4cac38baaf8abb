import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isPackageName, parseRoute } from './route.ts'

describe('parseRoute', () => {
  test.each([
    ['/lodash', { route: 'packument', name: 'lodash' }],
    ['/lodash/', { route: 'packument', name: 'lodash' }],
    ['/lodash?x=1', { route: 'packument', name: 'lodash' }],
    ['/@s/n', { route: 'packument', name: '@s/n' }],
    ['/@s%2fn', { route: 'packument', name: '@s/n' }],
    ['/@s%2Fn', { route: 'packument', name: '@s/n' }],
    ['/JSONStream', { route: 'packument', name: 'JSONStream' }],
    ['/lodash?write=true', { route: 'passthrough', name: 'lodash' }],
    ['/lodash/4.17.21', { route: 'passthrough', name: 'lodash' }],
    ['/@s/n/1.0.0', { route: 'passthrough', name: '@s/n' }],
    ['/@s', { route: 'passthrough', name: undefined, scope: '@s' }],
    ['/', { route: 'passthrough', name: undefined }],
    ['/-/v1/search?text=a\\b', { route: 'passthrough', name: undefined }],
    ['/-/ping', { route: 'ping' }],
    ['/-/ping/x', { route: 'passthrough', name: undefined }],
    ['/-/v1/search?text=x', { route: 'passthrough', name: undefined }],
    ['/-/package/@s%2fn/dist-tags', { route: 'dist-tags', name: '@s/n' }],
    ['/-/package/@s/n/dist-tags', { route: 'dist-tags', name: '@s/n' }],
    ['/-/package/n/dist-tags/latest', { route: 'passthrough', name: 'n' }],
    ['/-/package/n/visibility', { route: 'passthrough', name: 'n' }],
    ['/-/npm/v1/attestations/@s%2fn@1.0.0', { route: 'passthrough', name: '@s/n' }],
    ['/-/npm/v1/attestations/n@1.0.0', { route: 'passthrough', name: 'n' }],
    ['/-/catalog/health', { route: 'health' }],
    ['/-/catalog/ready', { route: 'ready' }],
    ['/-/catalog/store/prune', { route: 'store', action: 'prune' }],
  ])('%s', (url, expected) => {
    expect(parseRoute('GET', url)).toEqual(expected)
  })

  test.each([
    ['/lodash/-/lodash-4.17.21.tgz', 'lodash', '4.17.21'],
    ['/@s/n/-/n-1.0.0-beta.1.tgz', '@s/n', '1.0.0-beta.1'],
    ['/@s%2fn/-/n-1.0.0.tgz', '@s/n', '1.0.0'],
    ['/JSONStream/-/jsonstream-1.3.5.tgz', 'JSONStream', '1.3.5'],
    ['/a-1.0.0/-/a-1.0.0-2.0.0.tgz', 'a-1.0.0', '2.0.0'],
    ['/n/-/other-1.0.0.tgz', 'n', undefined],
    ['/n/-/abcdef', 'n', undefined],
  ])('%s is a tarball', (url, name, version) => {
    expect(parseRoute('GET', url)).toMatchObject({ route: 'tarball', name, version })
  })

  test.each([
    '/..',
    '/a/../b',
    '/%2e%2e/x',
    '/-/a%2f..%2f..%2fb',
    '/-/a%5c..%5cb',
    '/%zz',
    '//-/whoami',
    '//lodash',
    '/%2f-/whoami',
    '/-%2fwhoami',
    '/a%2fb',
    '/\\-/whoami',
    '/lodash#1.0.0',
    '/-/whoami#1.0.0',
    '/-/catalog/none',
    '/-/catalog/store',
    'http://x/y',
    `/${'a'.repeat(5000)}`,
  ])('%s is invalid', (url) => {
    expect(parseRoute('GET', url).route).toBe('invalid')
  })

  test('only reads are answered here', () => {
    expect(parseRoute('PUT', '/lodash')).toEqual({ route: 'passthrough', name: 'lodash' })
    expect(parseRoute('DELETE', '/n/-/n-1.0.0.tgz/-rev/1').route).toBe('passthrough')
    expect(parseRoute('PUT', '/-/package/n/dist-tags').route).toBe('passthrough')
    expect(parseRoute('HEAD', '/lodash').route).toBe('packument')
  })

  test('never throws, and never names what is no package', () => {
    const urls = fc.oneof(fc.webUrl(), fc.string(), fc.webPath()).map((text) => `/${text}`)
    fc.assert(
      fc.property(fc.constantFrom('GET', 'PUT', 'HEAD'), urls, (method, url) => {
        const route = parseRoute(method, url)
        const name = 'name' in route ? route.name : undefined
        expect(name === undefined || isPackageName(name)).toBe(true)
      }),
      { numRuns: 2000 },
    )
  })
})

test.each([
  ['lodash', true],
  ['@babel/core', true],
  ['JSONStream', true],
  ['.hidden', false],
  ['@s/', false],
  ['@/n', false],
  ['@s/n/x', false],
  ['a/b', false],
  ['-', false],
  ['', false],
  ['a b', false],
  ['x'.repeat(215), false],
])('%s is a package name: %s', (name, expected) => {
  expect(isPackageName(name)).toBe(expected)
})

describe('a shared package', () => {
  const hash = Buffer.alloc(64, 7).toString('base64url')
  const at = (rest: string): string => `/-/catalog/share/${rest}`
  test.each(['@s/n/-/n-1.0.0.tgz', '@s%2fn/-/n-1.0.0.tgz'])('%s', (path) => {
    const tarball = { route: 'tarball', name: '@s/n', file: 'n-1.0.0.tgz', version: '1.0.0' }
    expect(parseRoute('GET', at(`${hash}/${path}`))).toEqual({ route: 'shared', hash, tarball })
    expect(parseRoute('POST', at(`${hash}/${path}`)).route).toBe('invalid')
  })

  test.each([
    `${hash}/n/n-1.0.0.tgz`,
    `${hash}/n/-/n-1.0.0.tgz/more`,
    `${hash}/..%2fn/-/n-1.0.0.tgz`,
    `${hash.slice(1)}/n/-/n-1.0.0.tgz`,
    `${hash}A/n/-/n-1.0.0.tgz`,
    `${hash.slice(0, -1)}B/n/-/n-1.0.0.tgz`,
    `${hash.slice(0, -1)}=/n/-/n-1.0.0.tgz`,
  ])('%s is none', (path) => {
    expect(parseRoute('GET', at(path)).route).toBe('invalid')
  })
})
