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

test('a scope is in the registry that the client asks, whatever npm would ask', () => {
  const config = gatewayNpmConfig(npm, {}, {})
  expect(config.get('@acme:registry')).toBeUndefined()
  expect(config.all('@acme:registry')).toEqual([])
  expect([...config.keys()].sort()).toEqual(['//npm.example/:_authToken', 'strict-ssl'])
})
