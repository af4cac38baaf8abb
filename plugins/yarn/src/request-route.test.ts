import { describe, expect, test } from 'vitest'
import {
  packumentPath,
  routeOf,
  scopeOf,
  tarballPath,
  type YarnRegistries,
} from './request-route.ts'

const MAIN = 'https://main.invalid/npm'
const CORP = 'https://corp.invalid'
const registries: YarnRegistries = {
  urls: [MAIN, CORP],
  of: (name) => (name.startsWith('@corp/') ? CORP : MAIN),
}

const route = (url: string) => routeOf(new URL(url), registries)

describe('a request is about', () => {
  test.each([
    [`${MAIN}/lodash`, { kind: 'packument', name: 'lodash', registry: MAIN }],
    [`${MAIN}/@types%2fnode`, { kind: 'packument', name: '@types/node', registry: MAIN }],
    [`${MAIN}/@types/node`, { kind: 'packument', name: '@types/node', registry: MAIN }],
    [`${CORP}/@corp%2Fx`, { kind: 'packument', name: '@corp/x', registry: CORP }],
    [
      `${MAIN}/lodash/-/lodash-4.17.21.tgz`,
      { kind: 'tarball', name: 'lodash', version: '4.17.21', registry: MAIN },
    ],
    [
      `${MAIN}/@types%2fnode/-/node-1.0.0-rc.1%2Bbuild.tgz`,
      { kind: 'tarball', name: '@types/node', version: '1.0.0-rc.1+build', registry: MAIN },
    ],
    [`${MAIN}/-/-/--0.0.1.tgz`, { kind: 'tarball', name: '-', version: '0.0.1', registry: MAIN }],
    [`${MAIN}/@x%2f.y`, { kind: 'packument', name: '@x/.y', registry: MAIN }],
    [
      `${MAIN.replace('//', '//user:word@')}/lodash/-/lodash-4.17.21.tgz`,
      { kind: 'tarball', name: 'lodash', version: '4.17.21', registry: MAIN },
    ],
  ])('%s', (url, expected) => {
    expect(route(url)).toEqual(expected)
  })
})

describe('none of our business is', () => {
  test.each([
    'https://elsewhere.invalid/lodash',
    'https://main.invalid/lodash',
    'http://main.invalid/npm/lodash',
    'https://main.invalid/npmx/lodash',
    `${MAIN}/`,
    `${MAIN}/lodash?write=true`,
    `${MAIN}/-/package/lodash/dist-tags`,
    `${MAIN}/lodash/4.17.21`,
    `${MAIN}/lodash/-/other-1.0.0.tgz`,
    `${MAIN}/lodash/-/lodash-latest.tgz`,
    `${MAIN}/lodash/-/lodash-1.0.0.tar.gz`,
    `${MAIN}/%2e%2e%2fsecret`,
    `${MAIN}/@x/..%2f`,
    `${MAIN}/@x%2f..`,
    `${MAIN}/.npmrc`,
    `${MAIN}/%ZZ`,
    `${MAIN}/${'x'.repeat(215)}`,
    // A name of one registry at the address of the other.
    `${MAIN}/@corp%2fx`,
    `${CORP}/lodash`,
    `${CORP}/lodash/-/lodash-4.17.21.tgz`,
  ])('%s', (url) => {
    expect(route(url)).toBeUndefined()
  })
})

test('paths at the gateway, and scopes', () => {
  expect(packumentPath('@types/node')).toBe('@types%2fnode')
  expect(tarballPath('@types/node', '1.0.0+a')).toBe('@types/node/-/node-1.0.0%2Ba.tgz')
  expect(scopeOf('@Types/node')).toBe('@types')
  expect(scopeOf('node')).toBeNull()
})
