/** What the metadata that a client asks for says of the tarballs it will ask for, through the gateway's HTTP face. */
import { expect, test } from 'vitest'
import { makePackage } from '../../../test/support/fixture-packages.ts'
import { gatewayWorld } from '../../../test/support/gateway-world.ts'
import { until } from '../../../test/support/until.ts'
import { dependenciesOf } from './latest-dependencies.ts'

const packages = [
  makePackage('app', '1.0.0', { dependencies: { a: '^1.0.0' } }),
  makePackage('a', '1.0.0'),
  makePackage('a', '1.4.0', { dependencies: { b: '~2.1.0', c: '1.x' } }),
  makePackage('b', '2.1.0'),
  makePackage('b', '2.1.7'),
  makePackage('b', '2.2.0'),
  makePackage('c', '1.0.0'),
  makePackage('c', '1.9.0-rc.1'),
  makePackage('c', '1.2.0'),
]
const ask = ['app', 'a', 'b', 'c']

test('guesses versions by what was asked for before, and waits for the client to fetch', async () => {
  await using at = await gatewayWorld({ packages, predict: true, hintWaitMs: 0 })
  for (const name of ask) await at.get(`/${name}`)
  await until(() => at.gateway.stats().hints.packages === 4)
  expect(at.upstream.count(/tgz$/)).toBe(0)
  at.upstream.forget()
  await at.get('/app/-/app-1.0.0.tgz')
  await until(() => at.gateway.stats().hints.fetched === 1)
  await at.get('/c/-/c-1.2.0.tgz')
  await until(() => at.gateway.stats().hints.fetched === 2)
  expect(at.gateway.stats().hints).toMatchObject({ lists: 1, claimed: 0 })
  for (const path of ['/a/-/a-1.4.0.tgz', '/b/-/b-2.1.7.tgz']) {
    expect((await at.get(path)).headers['x-catalog-source']).toBe('store')
  }
  expect(at.gateway.stats().hints.claimed).toBe(2)
  expect(at.upstream.count(/tgz$/)).toBe(4)
})

test('guesses what was asked for before anything depended on it', async () => {
  await using at = await gatewayWorld({ packages, predict: true, hintWaitMs: 0 })
  for (const name of ['b', 'a']) await at.get(`/${name}`)
  // b as the latest first; then as what a wants.
  await until(() => at.gateway.stats().hints.packages === 3)
  await at.get('/a/-/a-1.4.0.tgz')
  await until(() => at.gateway.stats().hints.fetched > 0)
  for (const path of ['/b/-/b-2.1.7.tgz']) await at.get(path)
  expect(at.gateway.stats().hints.packages).toBe(3)
})

test('guesses nothing unless told to', async () => {
  await using at = await gatewayWorld({ packages })
  for (const name of ask) await at.get(`/${name}`)
  await at.get('/app/-/app-1.0.0.tgz')
  expect(at.gateway.stats().hints).toMatchObject({ lists: 0, packages: 0, fetched: 0 })
})

test.each([
  ['{"versions":{"1.0.0":{"dependencies":{"a":"^1"}}}}', ['a']],
  [
    '{"dist-tags":{"latest":"1.0.0"},"time":{"1.0.0":"2020"},"versions":{"0.9.0":{"d":"}"},"1.0.0":{"x":{"y":"\\"}"},"optionalDependencies":{"b":"2"}},"1.0.1":{}}}',
    ['b'],
  ],
  ['{"versions":{"1.0.0":{"dependencies":{"a":1,"b":null,"c":"*"}}}}', ['c']],
  ['{"versions":{"1.0.0":{"dependencies":{"a":"^1"}', []],
  ['{"versions":{"1.0.0":{"dependencies":[1]}}}', []],
  ['{"time":{"1.0.0":{}}}', []],
  ['', []],
])('reads the dependencies of one version out of %s', (text, names) => {
  expect(dependenciesOf(Buffer.from(text), '1.0.0').map(({ name }) => name)).toEqual(names)
})
