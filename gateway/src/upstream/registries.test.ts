import { createRequire } from 'node:module'
import { keyIdFromBytes } from '@catalog-p2p/core'
import { describe, expect, test } from 'vitest'
import { NOBODY_TRUSTED } from '../trust/trust.ts'
import { DEFAULT_REGISTRY } from './default-registry.ts'
import { npmConfigFrom } from './npmrc.ts'
import { createRegistries, type Registries, type RegistriesOptions } from './registries.ts'

const logged: string[] = []
const note = (event: string, facts: object = {}): void => {
  logged.push(`${event} ${JSON.stringify(facts)}`)
}
const log = { debug: note, info: note, warn: note, error: note }

function registries(
  config: Record<string, string>,
  options: Partial<RegistriesOptions> = {},
): Registries {
  logged.length = 0
  return createRegistries(
    { config: npmConfigFrom(config), log },
    {
      ...{ upstream: undefined, previousRegistry: undefined, port: 4874 },
      ...{ addresses: ['127.0.0.1', '::1'], ...options },
    },
  )
}

const authFor = (from: Registries, url: string) => from.credentialsFor(new URL(url))?.authorization

describe('the upstream', () => {
  test("is npm's default with no configuration", () => {
    expect(registries({}).main).toMatchObject({ url: DEFAULT_REGISTRY, isPublicDefault: true })
  })

  test("is npm's configured registry, with a slash at its end", () => {
    const { main } = registries({ registry: 'https://npm.corp.invalid/path' })
    expect(main).toMatchObject({ url: 'https://npm.corp.invalid/path/', isPublicDefault: false })
  })

  test('is the option before all', () => {
    const { main } = registries(
      { registry: 'https://a.invalid' },
      { upstream: 'https://b.invalid' },
    )
    expect(main?.url).toBe('https://b.invalid/')
  })

  test('of a package of the network there is none, and asking whether there is one is no error', () => {
    const publishers = [keyIdFromBytes(Buffer.alloc(32, 1))]
    const network = {
      kind: 'network',
      publishers,
      roots: [],
      subject: '@team',
      how: 'added',
    } as const
    const known = createRegistries(
      {
        ...{ config: npmConfigFrom({}), log },
        trust: {
          ...NOBODY_TRUSTED,
          originOf: (name) => (name.startsWith('@team/') ? network : { kind: 'registry' }),
        },
      },
      {
        ...{ upstream: undefined, previousRegistry: undefined, port: 4874 },
        addresses: ['127.0.0.1'],
      },
    )
    expect(['@team/tool', 'left-pad'].map((name) => known.hasHome(name))).toEqual([false, true])
    expect(() => known.homeOf('@team/tool')).toThrow('no registry is asked')
  })

  test('is none with peers only, though packages keep their home', () => {
    const none = registries({ '@s:registry': 'https://s.invalid/' }, { upstream: null })
    expect(none.main).toBeNull()
    expect(none.forName('@s/n')).toBeNull()
    expect(none.homeOf('@s/n').url).toBe('https://s.invalid/')
  })

  test('of a scope is its own', () => {
    const found = registries({ '@Corp:registry': 'https://corp.invalid/npm' })
    expect(found.forName('@corp/x')?.url).toBe('https://corp.invalid/npm/')
    expect(found.forName('@other/x')?.url).toBe(DEFAULT_REGISTRY)
    expect(found.forName('x')?.url).toBe(DEFAULT_REGISTRY)
    expect(found.forName(undefined)?.url).toBe(DEFAULT_REGISTRY)
    expect(found.all()).toEqual([
      { scope: null, url: DEFAULT_REGISTRY, isPublicDefault: true },
      { scope: '@corp', url: 'https://corp.invalid/npm/', isPublicDefault: false },
    ])
  })
})

test("the default is npm's own", () => {
  const require = createRequire(import.meta.url)
  const options = require('npm-registry-fetch/lib/default-opts.js') as { registry: string }
  expect(DEFAULT_REGISTRY).toBe(options.registry)
})

describe('a registry that is this gateway', () => {
  test.each(['http://127.0.0.1:4874/', 'http://localhost:4874', 'http://[::1]:4874/'])(
    '%s falls back to the default and says so',
    (registry) => {
      expect(registries({ registry }).main?.url).toBe(DEFAULT_REGISTRY)
      expect(logged.join()).toContain('upstream.loop')
    },
  )

  test('falls back to the one before it', () => {
    const config = { registry: 'http://localhost:4874/' }
    const previousRegistry = 'https://user:pass@before.invalid/'
    const found = registries(config, { previousRegistry })
    expect(found.main?.url).toBe('https://before.invalid/')
    expect(logged.join()).not.toContain('pass')
  })

  test('the one before it also stands where npm names none, but not over what npm names', () => {
    const previousRegistry = 'https://before.invalid/'
    expect(registries({}, { previousRegistry }).main?.url).toBe(previousRegistry)
    expect(logged.join()).toContain('upstream.before-use')
    const config = { registry: 'https://named.invalid/' }
    expect(registries(config, { previousRegistry }).main?.url).toBe('https://named.invalid/')
    expect(registries({}).main?.url).toBe(DEFAULT_REGISTRY)
  })

  test('falls through a previous one that is this gateway, too', () => {
    const config = { registry: 'http://localhost:4874/' }
    const found = registries(config, { previousRegistry: 'http://127.0.0.1:4874' })
    expect(found.main?.url).toBe(DEFAULT_REGISTRY)
  })

  test('on another port is another gateway', () => {
    expect(registries({ registry: 'http://localhost:4873/' }).main?.url).toBe(
      'http://localhost:4873/',
    )
  })

  test('as an option is an error', () => {
    expect(() => registries({}, { upstream: 'http://localhost:4874/' })).toThrow(/itself/)
  })

  test('for a scope falls back to the default upstream', () => {
    const config = { '@s:registry': 'http://localhost:4874/', registry: 'https://a.invalid/' }
    expect(registries(config).forName('@s/n')?.url).toBe('https://a.invalid/')
  })

  test.each(['@s', '@S', '%40s', '@other'])(
    'for a scope, at the place of %s, is no registry, and no other takes its names',
    (place) => {
      const url = `http://localhost:4874/-/catalog/scope/${place}/`
      const found = registries({ '@s:registry': url, registry: 'https://a.invalid/' })
      expect(() => found.forName('@s/n')).toThrow('no registry of @s is known')
      expect(() => found.homeOf('@S/n')).toThrow('no registry of @s is known')
      expect(found.forName('@other/n')?.url).toBe('https://a.invalid/')
      expect(found.all().map(({ scope }) => scope)).toEqual([null])
      expect(logged.join()).toContain('upstream.loop')
    },
  )
})

describe('credentials', () => {
  const config = {
    registry: 'https://a.invalid/npm/',
    '//a.invalid/npm/:_authToken': 'token-a',
    '//b.invalid/:_auth': 'dXNlcjpwYXNz',
    '//c.invalid/deep/:username': 'user',
    '//c.invalid/deep/:_password': Buffer.from('pa:ss').toString('base64'),
    '//d.invalid:8080:_authToken': 'no-slash',
    '//plain.invalid/:_authToken': 'in-clear',
  }

  test.each([
    ['https://a.invalid/npm/x', 'Bearer token-a'],
    ['https://a.invalid/npm/x/-/x-1.0.0.tgz', 'Bearer token-a'],
    ['https://a.invalid/other/x', undefined],
    ['https://a.invalid/npmx/x', undefined],
    ['https://sub.a.invalid/npm/x', undefined],
    ['https://a.invalid:8443/npm/x', undefined],
    ['https://b.invalid/x', 'Basic dXNlcjpwYXNz'],
    ['https://c.invalid/deep/x', `Basic ${Buffer.from('user:pa:ss').toString('base64')}`],
    ['https://c.invalid/x', undefined],
    ['https://d.invalid:8080/x', 'Bearer no-slash'],
    ['http://plain.invalid/x', undefined],
    ['https://plain.invalid/x', 'Bearer in-clear'],
  ])('for %s are %s', (url, expected) => {
    expect(authFor(registries(config), url)).toBe(expected)
  })

  test('go in clear text only to a registry configured so', () => {
    const clear = registries({ ...config, '@p:registry': 'http://plain.invalid/' })
    expect(authFor(clear, 'http://plain.invalid/x')).toBe('Bearer in-clear')
  })

  test('in a URL belong to what lies under it', () => {
    const found = registries({}, { upstream: 'https://me:se%40cret@u.invalid/npm/' })
    const basic = `Basic ${Buffer.from('me:se@cret').toString('base64')}`
    expect(found.main?.url).toBe('https://u.invalid/npm/')
    expect(authFor(found, 'https://u.invalid/npm/x')).toBe(basic)
    expect(authFor(found, 'https://u.invalid/x')).toBeUndefined()
  })

  test('a registry owns its host only, and what is as safe on the way', () => {
    const found = registries(config)
    const owns = (url: string) => found.main !== null && found.owns(found.main, new URL(url))
    expect(owns('https://a.invalid/npm/x')).toBe(true)
    expect(owns('https://a.invalid/x')).toBe(true)
    expect(owns('https://a.invalid:8443/npm/x')).toBe(false)
    expect(owns('http://a.invalid/npm/x')).toBe(false)
    expect(owns('https://a.invalid.evil.invalid/npm/x')).toBe(false)
  })
})
