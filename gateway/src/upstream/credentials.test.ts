import { expect, test } from 'vitest'
import { configuredCredentials, hostsWithCredentials } from './credentials.ts'
import type { NpmConfig } from './npmrc.ts'

function config(keys: Record<string, string>): NpmConfig {
  const map = new Map(Object.entries(keys))
  return {
    get: (key) => map.get(key),
    all: (key) => [map.get(key) ?? []].flat(),
    keys: () => map.keys(),
  }
}

test.each([
  ['//corp.example/:_authToken', 'https://corp.example/lodash'],
  ['//corp.example:_authToken', 'https://corp.example/lodash'],
  ['//corp.example:8443/npm/:_authToken', 'https://corp.example:8443/npm/lodash'],
  ['//corp.example:8443:_auth', 'https://corp.example:8443/npm/lodash'],
  ['//[::1]:4873/:_authToken', 'https://[::1]:4873/@s/x'],
])('%s names the host of %s, and its credentials', (key, text) => {
  const settings = config({ [key]: 'c2VjcmV0', registry: 'https://other.example/' })
  const url = new URL(text)
  expect(hostsWithCredentials(settings)).toEqual(new Set([url.host]))
  expect(configuredCredentials(settings, url, new Set())).toBeDefined()
})

test('what belongs to no host names none', () => {
  const settings = config({ email: 'a@b.example', '//corp.example/:cafile': 'x', password: 'x' })
  expect(hostsWithCredentials(settings)).toEqual(new Set())
})
