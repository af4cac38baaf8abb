import { expect, test } from 'vitest'
import { npmConfigFrom } from '../../upstream/npmrc.ts'
import { gatewayNpmConfig } from './gateway-npm-config.ts'

const npm = npmConfigFrom({
  ...{ 'strict-ssl': 'false', '//npm.example/:_authToken': 'old' },
  '@acme:registry': 'https://acme.example/',
})

test('the client’s own credentials and proxies come first', () => {
  const env = { HTTPS_PROXY: 'http://proxy.example' }
  const config = gatewayNpmConfig(npm, { '//npm.example/:_authToken': 'new' }, env)
  expect(config.get('//npm.example/:_authToken')).toBe('new')
  expect(config.get('https-proxy')).toBe('http://proxy.example')
  expect(config.get('strict-ssl')).toBe('false')
})

test('a client that says which proxy, or none, is heard before the environment and npm', () => {
  const env = { HTTPS_PROXY: 'http://proxy.example', NO_PROXY: 'npm.example' }
  const own = { 'https-proxy': 'http://own.example', noproxy: '', 'strict-ssl': 'true', ca: '' }
  const config = gatewayNpmConfig(npm, own, env)
  expect(config.get('https-proxy')).toBe('http://own.example')
  expect(config.get('noproxy')).toBe('')
  expect(config.get('strict-ssl')).toBe('true')
  expect(config.all('ca')).toEqual([''])
})

test('a scope is in the registry that the client asks, whatever npm would ask', () => {
  const config = gatewayNpmConfig(npm, {}, {})
  expect(config.get('@acme:registry')).toBeUndefined()
  expect(config.all('@acme:registry')).toEqual([])
  expect([...config.keys()].sort()).toEqual(['//npm.example/:_authToken', 'strict-ssl'])
})
